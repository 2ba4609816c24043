"""Compares FastCGI servers, or looks at how ours grows: `scripts/bench --help`."""

import argparse
import datetime
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

import figures
import growth
import plot
import processes
import servers
import tables
import workloads

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "README.md"


def main():
    asked = flags().parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    folder = Path(asked.folder).resolve()
    build = servers.TOP / "target/bench-peers"
    for needed in (folder, build):
        needed.mkdir(parents=True, exist_ok=True)
    # A socket's path is short, wherever the folder is.
    with tempfile.TemporaryDirectory(prefix="fcgi-bench-") as work:
        return compare_in(asked, folder, build, Path(work))


def compare_in(asked, folder, build, work):
    """Builds, measures, writes. The exit status, or why there is nothing to write."""
    try:
        found, left_out = built(["fcgi"] if asked.growth else asked.servers, build)
        ours = next((server for server in found if server.name == "fcgi"), None) or servers.Fcgi(build)
        load = workloads.Load(ours.program, work, str(servers.PEERS / "app.php"))
        compared, begun = grow if asked.growth else compare, time.monotonic()
        texts, raw = compared(asked, ours if asked.growth else found, load, folder, work)
    except (servers.Missing, RuntimeError) as error:
        return f"scripts/bench: {error}"
    except KeyboardInterrupt:
        return "scripts/bench: interrupted"
    finally:
        processes.stop_all()
    name = "growth" if asked.growth else "compared"
    texts = {f"{name}-machine": machine(asked, found, left_out, time.monotonic() - begun), **texts}
    (folder / f"{name}.md").write_text(written(texts))
    (folder / f"{name}.json").write_text(json.dumps({"machine": texts[f"{name}-machine"], **raw}, indent=1) + "\n")
    print(f"\n{written(texts)}\nwritten to {folder}")
    if asked.page:
        into_page(texts, folder)
    return 0


def flags():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Compares our testbed with other FastCGI libraries, in interleaved rounds.",
        epilog="Measure on a machine with nothing else to do: a build beside it makes the figures worthless.")
    add = parser.add_argument
    add("folder", nargs="?", default=str(servers.TOP / "target/bench"), help="where tables, json and plots go [target/bench]")
    add("--growth", action="store_true", help="ours alone: by workers, connections, bodies and params")
    add("--rounds", type=at_least_one, help="of each workload [5; with --growth 3]")
    add("--seconds", type=positive, default=1.0, help="that each server is asked in a round [1]")
    add("--servers", type=names([server.name for server in servers.ALL]), help="these only: limit,fcgi,libfcgi,…")
    add("--workloads", type=names([workload.name for workload in workloads.ALL]), help="these only: W1,W5")
    add("--only-rounds", action="store_true", help="no memory, system calls or instructions")
    add("--page", action="store_true", help="writes the tables into tests/bench/README.md, too, and the plots beside it")
    return parser


def built(wanted, build):
    """The servers that can be run, and why others cannot."""
    found, left_out = [], []
    for kind in servers.ALL:
        if wanted and kind.name not in wanted:
            continue
        say(f"building {kind.name}")
        try:
            found.append(kind(build))
        except servers.Missing as reason:
            say(f"SKIPPED {kind.name}: {reason}")
            left_out.append(f"{kind.name} ({reason})")
    return found, left_out


def compare(asked, found, load, folder, work):
    """All workloads, and what does not change from round to round."""
    chosen = [one for one in workloads.ALL if not asked.workloads or one.name in asked.workloads]
    texts, raw = {}, {"rounds": []}
    for workload in chosen:
        measured = figures.rounds(workload, found, load, work, asked.seconds, asked.rounds or 5, say)
        raw["rounds"] += measured
        texts[workload.name] = f"**{workload.name}**: {workload.title}\n\n{tables.by_round(workload, measured)}"
    draw(folder, chosen, raw["rounds"])
    if not asked.only_rounds:
        texts |= single(asked, chosen, found, load, work, raw)
    return texts, raw


def single(asked, chosen, found, load, work, raw):
    """Memory, system calls, instructions: each server by itself."""
    raw["footprint"], raw["system_calls"], raw["instructions"] = {}, {}, {}
    kinds = [one for one in chosen if one.name in ("W1", "W2", "W3", "W4")]
    absent = {tool: f"SKIPPED: {tool} is not there; install it\n" for tool in ("strace", "valgrind") if not shutil.which(tool)}
    for line in absent.values():
        say(line.strip())
    for server in found:
        say(f"memory, size and start of {server.name}")
        attempt(raw["footprint"], server.name, lambda: figures.footprint(server, load, work, asked.seconds, 25))
        for kind in kinds:
            is_small = kind.name in ("W1", "W2")
            say(f"system calls and instructions of {server.name} in {kind.name}")
            attempt(raw["system_calls"].setdefault(server.name, {}), kind.name,
                    lambda: figures.system_calls(server, kind, load, work, 300 if is_small else 20))
            attempt(raw["instructions"].setdefault(server.name, {}), kind.name,
                    lambda: figures.instructions(server, kind, load, work, 200 if is_small else 10))
    names = [kind.name for kind in kinds]
    return {
        "memory": "Memory in KiB, of all the server's processes, with 4 workers\n\n" + tables.footprints(raw["footprint"]),
        "system-calls": "System calls a request, on one connection\n\n"
                        + absent.get("strace", tables.calls(raw["system_calls"], names)),
        "instructions": "Instructions a request in user mode, on one connection\n\n"
                        + absent.get("valgrind", tables.counted(raw["instructions"], names)),
    }


def attempt(into, name, measure):
    """What cannot be measured of one server is said, and left out."""
    try:
        into[name] = measure()
    except (RuntimeError, OSError) as error:
        say(f"SKIPPED: {error}")


def grow(asked, server, load, folder, work):
    """Our server alone."""
    found, skipped = growth.measure(server, load, work, asked.seconds, asked.rounds or 3, say)
    for reason in skipped:
        say(f"SKIPPED {reason}")
    (folder / "growth.svg").write_text(plot.lines("How it grows", growth.panels(found)))
    return growth.texts(found), {"growth": found, "skipped": skipped}


def draw(folder, chosen, measured):
    """Bars of requests and of processor time."""
    for name, key, title, digits in (("requests", "requests_per_second", "Requests a second: longer is better", 0),
                                     ("cpu", "cpu_us", "Server CPU time a request, µs: shorter is better", 1)):
        panels = []
        for workload in chosen:
            ones = [one for one in measured if one["workload"] == workload.name]
            values = [(server, tables.median([one for one in ones if one["server"] == server], key))
                      for server in dict.fromkeys(one["server"] for one in ones)]
            panels.append((f"{workload.name}: {short(workload)}", [(server, value, tables.number(value, digits)) for server, value in values]))
        (folder / f"{name}.svg").write_text(plot.bars(title, panels))


def short(workload):
    return {"W1": "a connection a request", "W2": "kept connections", "W3": "1 MiB in", "W4": "1 MiB out",
            "W5": "beside 200 idle connections", "W6": "as W1, by TCP"}[workload.name]


def machine(asked, found, left_out, took):
    """Where and when, for the page."""
    cpu = next((line.partition(": ")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    system = next((line.partition("=")[2].strip().strip('"') for line in open("/etc/os-release") if line.startswith("PRETTY_NAME=")), "Linux")
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False).stdout.split()[1:2]
    today = datetime.datetime.now(datetime.timezone.utc).date()
    servers_of = "".join(f"- {' '.join(filter(None, [server.name, server.version()]))}: {server.what}\n" for server in found)
    load = " ".join(f"{average:.1f}" for average in os.getloadavg())
    command = "scripts/bench" + (" --growth" if asked.growth else "")
    return (f"{today}, {os.cpu_count()} cores of {cpu}, {system}, Linux {platform.release()}, rustc {''.join(rustc)}; `{command}`, "
            f"rounds: {asked.rounds or (3 if asked.growth else 5)}, of {asked.seconds:g} s, {took / 60:.0f} min in all, "
            f"load average at the end {load}.\n\n{servers_of}" + (f"\nLeft out: {'; '.join(left_out)}.\n" if left_out else ""))


def written(texts):
    return "\n".join(texts.values())


def into_page(texts, folder):
    homeless = tables.into_page(PAGE, texts)
    for name in ("requests.svg", "cpu.svg", "growth.svg"):
        if (folder / name).exists():
            (PAGE.parent / name).write_bytes((folder / name).read_bytes())
    print(f"written into {PAGE}" + (f", which has no place for {', '.join(homeless)}" if homeless else ""))


def names(known):
    def read(text):
        wanted = text.split(",")
        if unknown := [name for name in wanted if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(known)}")
        return wanted
    return read


def at_least_one(text):
    if (value := int(text)) < 1:
        raise ValueError
    return value


def positive(text):
    if (value := float(text)) <= 0:
        raise ValueError
    return value


def say(words):
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
