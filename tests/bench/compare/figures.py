"""What is measured of a server: interleaved rounds of load, memory, start, system calls, instructions."""

import json
import re
import shutil
import statistics
import subprocess
import time
from dataclasses import replace

from workloads import ALL, alone

# How long a kept connection, or the first answer of an idle one, may take under load.
PATIENCE = 2.0

# A round during which others took more than so much of this machine's processors says more of them than of the servers, and is
# repeated: where one thread answers and one asks, either of them away for 10 ms is both away.
MOST_STOLEN_PERCENT = 3.0

# How many times as many rounds are begun as are wanted, at most.
MOST_ROUNDS = 4


def rounds(workload, servers, load, folder, seconds, count, say):
    """All servers stay up; each round asks each, in reverse order every other time. A list of measurements."""
    running, measured = {}, []
    try:
        for server in servers:
            try:
                running[server.name] = server.start(workload, load, folder)
                if not workload.idle:
                    right(load.run(replace(workload, connections=1), running[server.name].address, requests=1))
            except RuntimeError as error:
                say(f"{workload.name}: {server.name} is left out: {error}")
                if server.name in running:
                    running.pop(server.name).stop()
        names = [server.name for server in servers if server.name in running]
        spare = count * (MOST_ROUNDS - 1)
        number = 0
        while number < count:
            this_round, is_disturbed = [], False
            for name in names if number % 2 == 0 else names[::-1]:
                found = {"workload": workload.name, "server": name, "round": number,
                         **one(workload, running[name], load, seconds)}
                this_round.append(found)
                is_disturbed = found["stolen_percent"] > MOST_STOLEN_PERCENT and spare > 0
                say(f"{workload.name}, round {number + 1} of {count}: {name}: {found['requests_per_second']:.0f} requests/s"
                    f"{', stolen: %.0f %%' % found['stolen_percent'] if found['stolen_percent'] >= 1 else ''}")
                if is_disturbed:
                    say(f"{workload.name}, round {number + 1} is repeated: others took {found['stolen_percent']:.0f} % of the processors")
                    break
            if is_disturbed:
                spare -= 1
            else:
                measured += this_round
                number += 1
    finally:
        for server in running.values():
            server.stop()
    return measured


def stolen():
    """What others took of this machine's processors, and their time in all, in ticks: 0 where it is nobody's guest."""
    with open("/proc/stat") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return ticks[7] if len(ticks) > 7 else 0, sum(ticks)


def one(workload, running, load, seconds):
    """One run of load: `bench`'s figures, processor time and memory."""
    most = 0

    def look():
        nonlocal most
        most = max(most, running.resident())

    before, begun, (stolen_before, ticks_before) = running.cpu(), time.monotonic(), stolen()
    told = load.run(workload, running.address, look if workload.idle else None, seconds=seconds,
                    timeout=PATIENCE if workload.idle else 10)
    cpu = running.cpu() - before
    stolen_now, ticks_now = stolen()
    return {
        "stolen_percent": 100 * (stolen_now - stolen_before) / max(1, ticks_now - ticks_before),
        "requests": told["requests"],
        "requests_per_second": float(told["requests_per_second"]),
        "cpu_us": cpu * 1e6 / told["requests"] if told["requests"] else None,
        "p50_us": told["ms"]["p50"] * 1000,
        "p99_us": told["ms"]["p99"] * 1000,
        "errors": told["errors"]["all"],
        "kept": told["idle"]["kept"],
        "starved": told["starved"],
        "resident_kib": most or running.resident(),
        "client_busy_percent": told["busy_percent"],
        "seconds": time.monotonic() - begun,
    }


def right(told):
    if told["errors"]["all"] or not told["requests"]:
        raise RuntimeError(f"its answer is not the one: {json.dumps(told['examples'])}")


def footprint(server, load, folder, seconds, starts):
    """Start, memory, size: with four workers."""
    first, third, fourth = ALL[0], ALL[2], ALL[3]
    times = []
    for _ in range(starts):
        with server.launch(first, load, folder) as running:
            times.append(running.answers(load.request(first)) * 1000)
    found = {"start_ms": statistics.median(times), "size": size(server, folder)}
    # The pages of a new executable count as dirty until they are written back.
    subprocess.run(["sync"], check=False)
    with server.start(first, load, folder) as running:
        found["processes"] = len(running.pids())
        found["idle"] = running.memory()
        load.run(first, running.address, seconds=seconds)
        found["after_small"] = running.memory()
        if server.name != "limit":
            for workload in (third, fourth):
                load.run(workload, running.address, seconds=seconds)
            found["after_large"] = running.memory()
    return found


def size(server, folder):
    """The executable's bytes without symbols; none for an interpreter, which is not the application."""
    if server.name in ("flup",) or not shutil.which("strip"):
        return None
    stripped = folder / "stripped"
    done = subprocess.run(["strip", "-o", str(stripped), server.program], check=False, capture_output=True)
    return stripped.stat().st_size if done.returncode == 0 else None


def system_calls(server, workload, load, folder, requests):
    """System calls a request on one connection: the difference of two runs, so that start and end are not in it."""
    if not shutil.which("strace"):
        return None
    few, many = ({}, {})
    for counted, asked in ((few, requests), (many, 2 * requests)):
        out = folder / "strace.out"
        out.unlink(missing_ok=True)
        with server.start(alone(workload), load, folder, ["strace", "-f", "-c", "-o", str(out)]) as running:
            load.run(alone(workload), running.address, requests=asked)
        # calls, perhaps errors, then the name.
        for line in out.read_text().splitlines():
            if match := re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line):
                if match[2] != "total":
                    counted[match[2]] = int(match[1])
    each = {name: (calls - few.get(name, 0)) / requests for name, calls in many.items()}
    return {name: round(calls, 2) for name, calls in each.items() if abs(calls) >= 0.05}


def instructions(server, workload, load, folder, requests):
    """Instructions a request in user mode, on one connection, by callgrind; as `system_calls`."""
    if not shutil.which("valgrind") or not server.is_countable:
        return None
    sums = []
    for asked in (requests, 2 * requests):
        out = folder / "callgrind.out"
        for old in folder.glob("callgrind.out*"):
            old.unlink()
        prefix = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        with server.start(alone(workload), load, folder, prefix) as running:
            load.run(alone(workload), running.address, requests=asked, timeout=60)
        texts = [path.read_text() for path in folder.glob("callgrind.out*")]
        totals = [int(number) for text in texts for number in re.findall(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)[:1]]
        if not totals:
            return None
        sums.append(sum(totals))
    return (sums[1] - sums[0]) / requests
