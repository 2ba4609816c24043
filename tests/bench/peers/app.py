"""Python, by flup: /hello, /count of a body and /bytes?n=N, as the project's testbed has them.

usage: app.py WORKERS; it serves the socket that is standard input.
"""

import sys

from flup.server.fcgi import WSGIServer

BYTES = b"x" * (384 << 10)


def answer(environ, start_response):
    path = environ.get("PATH_INFO", "")
    if path == "/bytes":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return pieces(int(environ.get("QUERY_STRING", "n=0").partition("n=")[2]))
    text = count(environ["wsgi.input"]) if path == "/count" else b"Hello, world!"
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [text]


def pieces(left):
    while left > 0:
        yield BYTES[:left]
        left -= len(BYTES)


def count(body):
    length = total = 0
    while piece := body.read(64 << 10):
        length += len(piece)
        total += sum(piece)
    return b"%d %d" % (length, total % (1 << 32))


WSGIServer(answer, maxSpare=int(sys.argv[1])).run()
