"""What is asked of each server: the six workloads, and the load generator's command line for them."""

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import wire

MIB = 1 << 20


@dataclass(frozen=True)
class Workload:
    """One way to ask."""
    name: str
    title: str
    target: str = "/hello"
    body: int | None = None
    connections: int = 8
    workers: int = 4
    keep_conn: bool = False
    idle: int = 0
    is_tcp: bool = False
    params: int = 29

    def answer(self):
        """The only right body."""
        if self.target.startswith("/bytes?n="):
            return b"x" * int(self.target.removeprefix("/bytes?n="))
        if self.body is None:
            return b"Hello, world!"
        return b"%d %d" % (self.body, sum(range(256)) * (self.body // 256) % (1 << 32))


ALL = [
    Workload("W1", "GET /hello, a connection a request, unix socket, 8 connections, 4 workers"),
    Workload("W2", "GET /hello on kept connections, unix socket, 8 connections, 8 workers", workers=8, keep_conn=True),
    Workload("W3", "POST /count of 1 MiB, whose bytes are summed, a connection a request, unix socket, 8 connections, 4 workers",
             target="/count", body=MIB),
    Workload("W4", "GET /bytes of 1 MiB, a connection a request, unix socket, 8 connections, 4 workers",
             target=f"/bytes?n={MIB}"),
    Workload("W5", "200 idle kept connections, each answered once, and GET /hello on 8 more, unix socket, 4 workers",
             keep_conn=True, idle=200),
    Workload("W6", "W1 by TCP on loopback", is_tcp=True),
]


def content(length):
    """A body: all bytes in turn."""
    return bytes(range(256)) * (length // 256)


class Load:
    """The command `bench` of our own program, as one thread that asks."""

    def __init__(self, program, folder, script):
        self.program, self.folder, self.script = program, Path(folder), script

    def arguments(self, workload, address, *, seconds=None, requests=None, timeout=10.0):
        """The command line for so many seconds or requests."""
        command = [self.program, "bench", "--json", "--connect", address, "--warm-up", "0", "--only-params"]
        command += ["--connections", str(workload.connections), "--timeout", f"{timeout:g}"]
        command += ["--requests", str(requests)] if requests else ["--seconds", f"{seconds:g}"]
        for name, value in self.params(workload):
            command += ["--param", f"{name}={value}"]
        if workload.keep_conn:
            command.append("--keep-conn")
        if workload.idle:
            command += ["--idle", str(workload.idle)]
        if workload.body is not None:
            command += ["--data-binary", f"@{self.file(f'body-{workload.body}', content(workload.body))}"]
        if len(expected := workload.answer()) <= MIB:
            command += ["--expect", str(self.file(f"expected-{workload.name}", expected))]
        return command + [workload.target]

    def run(self, workload, address, while_running=None, **limits):
        """The figures of one run; `while_running` is called every now and then meanwhile."""
        child = subprocess.Popen(self.arguments(workload, address, **limits), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            while while_running is not None and child.poll() is None:
                while_running()
                try:
                    child.wait(0.05)
                except subprocess.TimeoutExpired:
                    pass
            out, err = child.communicate()
        except BaseException:
            child.kill()
            child.wait()
            raise
        # 1: there were errors, and the figures say which.
        if child.returncode not in (0, 1) or not out:
            raise RuntimeError(f"bench of {workload.name} at {address} failed: {err.decode(errors='replace').strip()}")
        return json.loads(out)

    def params(self, workload):
        return wire.params(workload.target, workload.body, self.script, workload.params)

    def request(self, workload):
        """The bytes of one request."""
        body = content(workload.body or 0)
        return wire.request(self.params(workload), body, workload.keep_conn)

    def file(self, name, content):
        path = self.folder / name
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
        return path


def alone(workload):
    """The same on one connection."""
    return replace(workload, connections=1, idle=0)
