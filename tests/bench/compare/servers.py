"""Who is compared: how each server is built from what registries have, and started. One that cannot be built is left out,
with the reason."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import wire
from processes import Running

TOP = Path(__file__).resolve().parents[3]
PEERS = TOP / "tests/bench/peers"



class Missing(Exception):
    """Why a server is left out."""


class Server:
    """One of those that are compared."""
    name = ""
    # What it is, for the table below the figures.
    what = ""
    # Takes the socket on standard input, as web servers start FastCGI programs.
    inherits = True
    # What valgrind can count: one process of machine code that ends when it is told to.
    is_countable = True

    def __init__(self, build):
        self.build_folder = build
        self.program = self.build()

    def build(self):
        """Its executable, built if need be. Raises Missing."""
        raise NotImplementedError

    def command(self, address, workload, folder):
        """Its command line."""
        raise NotImplementedError

    def version(self):
        return ""

    def start(self, workload, load, folder, prefix=()):
        """Starts it for a workload, and waits for its first answer."""
        running = self.launch(workload, load, folder, prefix)
        try:
            running.answers(load.request(workload) if workload.body is None else self.small(load, workload))
        except BaseException:
            running.stop()
            raise
        return running

    def launch(self, workload, load, folder, prefix=()):
        return Running(self.name, lambda address: [*prefix, *self.command(address, workload, load)], folder,
                       is_tcp=workload.is_tcp, inherits=self.inherits, is_traced=list(prefix[:1]) == ["strace"])

    def small(self, load, workload):
        """A request that is short enough to be written at once."""
        return wire.request(wire.params("/hello", None, load.script), keep_conn=workload.keep_conn)


class Limit(Server):
    name = "limit"
    what = "what the kernel takes: threads that accept, read, write a constant and close, and parse nothing (C, static)"

    def build(self):
        return compiled(self.build_folder, "limit", ["-static"], [])

    def command(self, address, workload, load):
        answer = load.file(f"limit-{workload.name}", wire.answer(workload.answer()))
        keep = "keep" if workload.keep_conn else "close"
        return [self.program, str(workload.workers), keep, str(len(load.request(workload))), str(answer)]

    def small(self, load, workload):
        return load.request(workload)


class Fcgi(Server):
    name = "fcgi"
    what = "this crate's testbed, static, with its commands and uploads"

    def build(self):
        lines = output([TOP / "scripts/build-static", "testbed"]).splitlines()
        return str((TOP / lines[-1].rpartition(" ")[0]).resolve())

    def command(self, address, workload, load):
        return [self.program, "--workers", str(workload.workers)]

    def version(self):
        return output(["git", "-C", str(TOP), "describe", "--always", "--dirty"], or_else="").strip()


class Libfcgi(Server):
    name = "libfcgi"
    what = "libfcgi in C, a thread for each of its requests"

    def build(self):
        return compiled(self.build_folder, "libfcgi", [], ["-lfcgi"])

    def command(self, address, workload, load):
        return [self.program, str(workload.workers)]

    def version(self):
        return debian("libfcgi-dev")


class Crate(Server):
    """A library of crates.io, in a program of `peers`."""
    crate = ""

    def build(self):
        if not shutil.which("cargo"):
            raise Missing("cargo is not there")
        target = self.build_folder / "crates"
        run(["cargo", "build", "--release", "--locked", "--manifest-path", str(PEERS / "Cargo.toml"), "--target-dir", str(target)])
        return str(target / "release" / self.name.replace("-", "_"))

    def command(self, address, workload, load):
        return [self.program, str(workload.workers)]

    def version(self):
        lines = (PEERS / "Cargo.lock").read_text().splitlines()
        at = lines.index(f'name = "{self.name}"')
        return lines[at + 1].split('"')[1]


class TokioFastcgi(Crate):
    name = "tokio-fastcgi"
    what = "a task for each connection, on tokio's threads"


class Fastcgi(Crate):
    name = "fastcgi"
    what = "a thread for each connection"


class OuterCgi(Crate):
    name = "outer_cgi"
    what = "threads that have a connection each; it binds by itself, since with an inherited socket it takes one request at a time"
    inherits = False

    def command(self, address, workload, load):
        bind = ["fcgi-tcp", "--bind", address]
        if not workload.is_tcp:
            bind = ["fcgi-unix", "--bind", address.removeprefix("unix:")]
        return [self.program, *bind, "--max-connections", str(workload.workers)]


class PhpFpm(Server):
    name = "php-fpm"
    what = "PHP in processes of a static pool, with opcache; the last of its kind that most hosts have"
    inherits = False
    is_countable = False

    def build(self):
        found = sorted(path for folder in ["/usr/sbin", "/usr/local/sbin"] for path in Path(folder).glob("php-fpm*"))
        if not found:
            raise Missing("there is no php-fpm; Debian: apt-get install php-fpm")
        return str(found[-1])

    def command(self, address, workload, load):
        listen = address.removeprefix("unix:")
        conf = load.file("php-fpm.conf" + workload.name, "\n".join([
            "[global]", "daemonize = no", "error_log = /dev/stderr", "[www]", f"listen = {listen}", "listen.backlog = 4096",
            "pm = static", f"pm.max_children = {workload.workers}", "catch_workers_output = no",
            *(["user = root", "group = root"] if os.geteuid() == 0 else []), ""]).encode())
        root = ["-R"] if os.geteuid() == 0 else []
        return [self.program, "-n", "-d", "zend_extension=opcache", "-d", "opcache.enable=1", *root, "-F", "-y", str(conf)]

    def version(self):
        return output([self.program, "-n", "-v"], or_else="").partition(" (")[0].removeprefix("PHP ")


class Flup(Server):
    name = "flup"
    what = "WSGI in Python, threads"
    is_countable = False

    def build(self):
        if output([sys.executable, "-c", "import flup.server.fcgi; print(1)"], or_else="").strip() != "1":
            raise Missing("python3 has no flup; pip install flup")
        return sys.executable

    def command(self, address, workload, load):
        return [self.program, str(PEERS / "app.py"), str(workload.workers)]


class Go(Server):
    name = "go"
    what = "Go's net/http/fcgi, a goroutine for each connection and request"
    is_countable = False

    def build(self):
        if not shutil.which("go"):
            raise Missing("there is no go; Debian: apt-get install golang-go")
        program = self.build_folder / "go"
        run(["go", "build", "-ldflags=-s -w", "-o", str(program), str(PEERS / "main.go")],
            env={**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
        return str(program)

    def command(self, address, workload, load):
        return [self.program]

    def version(self):
        return output(["go", "env", "GOVERSION"], or_else="").strip().removeprefix("go")


ALL = [Limit, Fcgi, Libfcgi, TokioFastcgi, Fastcgi, OuterCgi, PhpFpm, Flup, Go]


def compiled(folder, name, before, behind):
    """A C program of `peers`."""
    if not shutil.which("cc"):
        raise Missing("there is no C compiler; Debian: apt-get install gcc libc6-dev")
    source, program = PEERS / f"{name}.c", folder / name
    run(["cc", "-O3", "-pthread", *before, "-o", str(program), str(source), *behind])
    run(["strip", str(program)])
    return str(program)


def debian(package):
    return output(["dpkg-query", "-W", "-f", "${Version}", package], or_else="")


def run(command, env=None):
    """Raises Missing with what it says."""
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Missing(f"{command[0]} failed: {' / '.join(done.stdout.strip().splitlines()[-3:])}")


def output(command, or_else=None):
    """What a command writes. Raises Missing where it fails and nothing else will do."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        done = None
        why = str(error)
    if done is not None and done.returncode == 0:
        return done.stdout
    if or_else is not None:
        return or_else
    raise Missing(f"{command[0]} failed: {why if done is None else done.stderr.strip()[-300:]}")
