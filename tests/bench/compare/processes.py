"""Processes that a comparison starts: on a socket that waits for them already, stopped by their own ids, and what /proc has of
them."""

import os
import signal
import socket
import time
from pathlib import Path

import wire

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024

# All that run, for whoever has to end early.
RUNNING = []


class Child:
    """A process in a session of its own. By posix_spawn: subprocess takes longer to make it than a small server to start."""

    def __init__(self, words, standard_input, log):
        files = [(os.POSIX_SPAWN_DUP2, file.fileno(), n) for n, file in enumerate([standard_input, log, log])]
        self.pid = os.posix_spawnp(words[0], words, os.environ, file_actions=files, setsid=True)
        self.has_ended = False

    def poll(self):
        """Whether it has ended."""
        self.has_ended = self.has_ended or os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return self.has_ended

    def wait(self, seconds):
        """Waits for its end at most so long. Whether it has come."""
        end = time.monotonic() + seconds
        while not self.poll() and time.monotonic() < end:
            time.sleep(0.002)
        return self.has_ended


class Running:
    """A server's process, with all that it starts.

    `command` is called with the address. Where the server takes a listening socket as standard input, as web servers start
    FastCGI programs, it is bound here; otherwise the server binds by itself, and is waited for.
    """

    def __init__(self, name, command, folder, *, is_tcp=False, inherits=True, is_traced=False):
        self.name, self.path, self.is_traced = name, None, is_traced
        if is_tcp:
            listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
            self.address = "127.0.0.1:%d" % listener.getsockname()[1]
        else:
            self.path = Path(folder) / f"{name}.sock"
            self.path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            if inherits:
                listener.bind(str(self.path))
                listener.listen(4096)
            self.address = f"unix:{self.path}"
        if not inherits:
            listener.close()
        self.log = Path(folder) / f"{name}.log"
        words = command(self.address)
        with open(self.log, "wb") as log_file, open(os.devnull, "rb") as nothing:
            self.started = time.monotonic()
            self.child = Child(words, listener if inherits else nothing, log_file)
        listener.close()
        RUNNING.append(self)

    def answers(self, request, limit=20):
        """Waits for one answer. Seconds from the start on."""
        end = time.monotonic() + limit
        while True:
            try:
                with wire.connect(self.address) as stream:
                    wire.ask(stream, request)
                    return time.monotonic() - self.started
            except OSError as error:
                if self.child.poll():
                    raise RuntimeError(f"{self.name} ended: {self.last_words()}") from error
                if time.monotonic() > end:
                    raise RuntimeError(f"{self.name} does not answer: {error}; {self.last_words()}") from error
                time.sleep(0.0002)

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it says nothing"

    def pids(self):
        """It and its children, and theirs."""
        found, more = [], [self.child.pid]
        while more:
            pid = more.pop()
            found.append(pid)
            more += self.children(pid)
        return found

    @staticmethod
    def children(pid):
        found = []
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, file.read_text().split())
            except OSError:
                pass
        return found

    def cpu(self):
        """Seconds of processor time that they have used, their threads that have ended included."""
        ticks = 0
        for pid in self.pids():
            try:
                stat = Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                continue
            fields = stat.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def memory(self):
        """KiB: resident, and private and written to. Shared pages count once a process."""
        sums = {"Rss:": 0, "Private_Dirty:": 0}
        for pid in self.pids():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            for line in lines:
                name, _, rest = line.partition(" ")
                if name in sums:
                    sums[name] += int(rest.split()[0])
        return {"resident": sums["Rss:"], "dirty": sums["Private_Dirty:"]}

    def resident(self):
        """KiB, at less cost than `memory`."""
        pages = 0
        for pid in self.pids():
            try:
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                pass
        return pages * PAGE_KIB

    def stop(self):
        """Ends it; what it leaves behind of its own session is killed."""
        if self not in RUNNING:
            return
        RUNNING.remove(self)
        # Under strace the server is the child, and strace has to count its end. valgrind becomes the server.
        for pid in self.children(self.child.pid) if self.is_traced else [self.child.pid]:
            send(pid, signal.SIGTERM)
        self.child.wait(5)
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except OSError:
            pass
        self.child.wait(5)
        if self.path:
            self.path.unlink(missing_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def stop_all():
    for running in list(RUNNING):
        running.stop()


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
