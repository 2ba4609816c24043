"""How our own server grows: with workers, connections, bodies and params. One server a step; the steps of a table are measured
in turn, round after round."""

import resource
import statistics
import subprocess
import time
from dataclasses import replace

import figures
import plot
import tables
import wire
from workloads import MIB, Workload

WORKERS = [1, 2, 4, 8, 16]
CONNECTIONS = [1, 10, 100, 1000, 10000]
BODIES = [1 << 10, 32 << 10, MIB, 32 * MIB, 1 << 30]
PARAMS = [10, 29, 100, 300, 1000]

# `bench` takes no longer body.
MOST_ASKED = 256 * MIB


def measure(server, load, folder, seconds, rounds, say):
    """All four tables: a list of rows each, and what was left out."""
    skipped = []
    # The pages of a new executable count as dirty until they are written back.
    subprocess.run(["sync"], check=False)
    return {
        "workers": steps(WORKERS, rounds, server, load, folder, seconds, say, with_workers),
        "connections": steps(fitting(skipped), rounds, server, load, folder, seconds, say, with_connections),
        "bodies": steps(BODIES, rounds, server, load, folder, seconds, say, with_body),
        "params": steps(PARAMS, rounds, server, load, folder, seconds, say, with_params),
    }, skipped


def steps(values, rounds, server, load, folder, seconds, say, measured):
    """A row for each value: the medians over rounds."""
    found = {value: [] for value in values}
    for number in range(rounds):
        for value in values if number % 2 == 0 else values[::-1]:
            found[value].append(measured(value, server, load, folder, seconds))
            say(f"growth, round {number + 1} of {rounds}: {measured.__name__.replace('_', ' ')} {value}: {found[value][-1]}")
    return [{"step": value, **{key: middle([one[key] for one in ones]) for key in ones[0]}} for value, ones in found.items()]


def middle(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def with_workers(count, server, load, folder, seconds):
    """16 connections: each busy worker has one."""
    each = Workload("G1", "", workers=count, connections=16)
    kept = replace(each, name="G2", keep_conn=True)
    with server.start(each, load, folder) as running:
        small = figures.one(each, running, load, seconds)
        again = figures.one(kept, running, load, seconds)
        memory = running.memory()
    return {"each": small["requests_per_second"], "kept": again["requests_per_second"], "errors": small["errors"] + again["errors"],
            "dirty_kib": memory["dirty"], "resident_kib": memory["resident"]}


def with_connections(count, server, load, folder, seconds):
    """Kept ones, of which no more than eight ask at a time."""
    busy = min(count, 8)
    workload = Workload("G3", "", keep_conn=True, connections=busy, idle=count - busy)
    most = {"dirty": 0, "resident": 0}
    with server.start(workload, load, folder) as running:
        def look():
            found = running.memory()
            for key in most:
                most[key] = max(most[key], found[key])

        told = load.run(workload, running.address, look, seconds=seconds, timeout=30)
    return {"kept": float(told["requests_per_second"]), "p99_us": told["ms"]["p99"] * 1000,
            "errors": told["errors"]["all"] + (count - busy - told["idle"]["kept"]),
            "dirty_kib": most["dirty"], "resident_kib": most["resident"]}


def with_body(length, server, load, folder, seconds):
    """In, summed; and out."""
    found = {}
    with server.start(Workload("G4", ""), load, folder) as running:
        for way, workload in {
            "in": Workload(f"G4-{length}", "", target="/count", body=length, connections=connections(length)),
            "out": Workload(f"G5-{length}", "", target=f"/bytes?n={length}", connections=connections(length)),
        }.items():
            most = 0

            def look():
                nonlocal most
                most = max(most, running.memory()["dirty"])

            if way == "in" and length > MOST_ASKED:
                rate, errors = uploads_a_second(workload, running, load, look)
            else:
                limits = {"requests": 2} if length > MOST_ASKED else {"seconds": seconds}
                told = load.run(workload, running.address, look, timeout=120, **limits)
                rate, errors = float(told["requests_per_second"]), told["errors"]["all"]
            found[way] = rate
            found[f"{way}_mib"] = rate * length / MIB
            found[f"{way}_dirty_kib"] = most or running.memory()["dirty"]
            found["errors"] = found.get("errors", 0) + errors
    return found


def uploads_a_second(workload, running, load, look):
    """One body that no memory holds: how many of them a second, and how many errors."""
    begun = time.monotonic()
    with wire.connect(running.address) as stream:
        for number, piece in enumerate(wire.upload(load.params(workload), workload.body)):
            stream.sendall(piece)
            if number % 128 == 127:
                look()
        is_right = wire.read_answer(stream).endswith(b"\r\n\r\n" + workload.answer())
    return 1 / (time.monotonic() - begun), int(not is_right)


def connections(length):
    """One where a single answer takes long."""
    return 1 if length > MOST_ASKED else 8


def with_params(count, server, load, folder, seconds):
    """A small request that gets longer."""
    workload = Workload("G6", "", params=count, keep_conn=True)
    with server.start(workload, load, folder) as running:
        told = figures.one(workload, running, load, seconds)
        memory = running.memory()
    return {"kept": told["requests_per_second"], "cpu_us": told["cpu_us"], "bytes": len(load.request(workload)),
            "errors": told["errors"], "dirty_kib": memory["dirty"]}


def fitting(skipped):
    """The numbers of connections that the limit of open files allows, in one process each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    fits = [count for count in CONNECTIONS if count + 100 <= hard or hard == resource.RLIM_INFINITY]
    skipped += [f"{count} connections: {hard} open files are allowed; allow more with ulimit -Hn" for count in CONNECTIONS if count not in fits]
    return fits


def texts(found):
    """The tables, by the names of their places."""
    of = lambda key, columns: [[tables.number(row["step"]), *(tables.number(row[name], digits) for name, digits in columns)] for row in found[key]]
    bodies = [[plot.binary(row["step"]), *(tables.number(row[name], digits) for name, digits in [
        ("in", 1), ("in_mib", 0), ("in_dirty_kib", 0), ("out", 1), ("out_mib", 0), ("out_dirty_kib", 0), ("errors", 0)])]
        for row in found["bodies"]]
    return {
        "growth-workers": tables.table(
            ["workers", "requests/s, a connection each", "requests/s, kept", "its own memory, KiB", "resident, KiB", "errors"],
            of("workers", [("each", 0), ("kept", 0), ("dirty_kib", 0), ("resident_kib", 0), ("errors", 0)])),
        "growth-connections": tables.table(
            ["connections", "requests/s", "p99 µs", "its own memory, KiB", "resident, KiB", "errors"],
            of("connections", [("kept", 0), ("p99_us", 0), ("dirty_kib", 0), ("resident_kib", 0), ("errors", 0)])),
        "growth-bodies": tables.table(
            ["body", "in: requests/s", "MiB/s", "its own memory, KiB", "out: requests/s", "MiB/s", "its own memory, KiB", "errors"], bodies),
        "growth-params": tables.table(
            ["params", "bytes of the request", "requests/s", "CPU µs/request", "its own memory, KiB", "errors"],
            of("params", [("bytes", 0), ("kept", 0), ("cpu_us", 1), ("dirty_kib", 0), ("errors", 0)])),
    }


def panels(found):
    """What `plot.lines` draws of it."""
    line = lambda key, name: [(row["step"], row[name]) for row in found[key]]
    return [
        ("requests/s by workers", "workers", [("kept", line("workers", "kept")), ("a connection each", line("workers", "each"))]),
        ("memory of its own by workers, KiB", "workers", [("KiB", line("workers", "dirty_kib"))]),
        ("requests/s by kept connections", "connections", [("8 of them busy", line("connections", "kept"))]),
        ("memory of its own by connections, KiB", "connections", [("KiB", line("connections", "dirty_kib"))]),
        ("MiB/s by a body's length", "bytes", [("in", line("bodies", "in_mib")), ("out", line("bodies", "out_mib"))]),
        ("CPU µs a request by params", "params", [("µs", line("params", "cpu_us"))]),
    ]
