"""The web server's part in bytes: requests as `bench` sends them, and one asked by hand. For the limit server, which has to
know how long a request is, and for the time that a start takes."""

import hashlib
import socket

# What nginx sends for a browser's GET with `fastcgi_params`, PATH_INFO and the script's name.
NGINX = [
    ("QUERY_STRING", ""),
    ("REQUEST_METHOD", "GET"),
    ("CONTENT_TYPE", ""),
    ("CONTENT_LENGTH", ""),
    ("SCRIPT_NAME", ""),
    ("REQUEST_URI", ""),
    ("DOCUMENT_URI", ""),
    ("DOCUMENT_ROOT", "/srv/www/example"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("REQUEST_SCHEME", "https"),
    ("HTTPS", "on"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("SERVER_SOFTWARE", "nginx/1.22.1"),
    ("REMOTE_ADDR", "192.0.2.17"),
    ("REMOTE_PORT", "49152"),
    ("SERVER_ADDR", "198.51.100.4"),
    ("SERVER_PORT", "443"),
    ("SERVER_NAME", "www.example.org"),
    ("REDIRECT_STATUS", "200"),
    ("PATH_INFO", ""),
    ("SCRIPT_FILENAME", ""),
    ("HTTP_HOST", "www.example.org"),
    ("HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("HTTP_ACCEPT_LANGUAGE", "de,en-US;q=0.7,en;q=0.3"),
    ("HTTP_ACCEPT_ENCODING", "gzip, deflate, br"),
    ("HTTP_REFERER", "https://www.example.org/news?page=1"),
    ("HTTP_CONNECTION", "keep-alive"),
    ("HTTP_COOKIE", "session=5d1f3c72a09be846; theme=dark"),
]

# In the order of their need: what a request of fewer params keeps.
NEEDED = ["REQUEST_METHOD", "REQUEST_URI", "PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "CONTENT_LENGTH",
          "SCRIPT_FILENAME", "SERVER_PROTOCOL", "REMOTE_ADDR", "HTTP_HOST"]

BODY_RECORD = 32 << 10
MOST_CONTENT = 65528
BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6


def params(target, body, script, count=29):
    """The pairs of a request: nginx's 29, the most needed of them, or these and more headers."""
    path, _, query = target.partition("?")
    own = {"QUERY_STRING": query, "REQUEST_URI": target, "DOCUMENT_URI": path, "PATH_INFO": path,
           "SCRIPT_FILENAME": script}
    if body is not None:
        own |= {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(body), "CONTENT_TYPE": "application/octet-stream"}
    pairs = [(name, own.get(name, value)) for name, value in NGINX]
    if count < len(pairs):
        pairs = [pair for pair in pairs if pair[0] in NEEDED[:count]]
    return pairs + [(header_name(number), "a value of some bytes") for number in range(len(NGINX), count)]


def header_name(number):
    """One that is not like the others."""
    return "HTTP_X_" + hashlib.sha256(b"%d" % number).hexdigest()[:6 + number % 7].upper()


def request(pairs, body=b"", keep_conn=False):
    """All records, as `bench` writes them."""
    stream = b"".join(pair(name.encode(), value.encode()) for name, value in pairs)
    records = [record(BEGIN, bytes([0, 1, int(keep_conn), 0, 0, 0, 0, 0]))]
    records += [record(PARAMS, piece) for piece in pieces(stream, MOST_CONTENT)] + [record(PARAMS, b"")]
    records += [record(STDIN, piece) for piece in pieces(body, BODY_RECORD)] + [record(STDIN, b"")]
    return b"".join(records)


def answer(body):
    """A whole answer, as one write."""
    content = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body
    records = [record(STDOUT, piece) for piece in pieces(content, MOST_CONTENT)]
    return b"".join([*records, record(STDOUT, b""), record(END, bytes(8))])


def connect(address):
    """A socket that is connected."""
    if address.startswith("unix:"):
        stream = socket.socket(socket.AF_UNIX)
        target = address.removeprefix("unix:")
    else:
        stream = socket.socket()
        host, _, port = address.rpartition(":")
        target = (host, int(port))
    stream.settimeout(10)
    try:
        stream.connect(target)
    except OSError:
        stream.close()
        raise
    return stream


def upload(pairs, length):
    """A request with a body of so many MiB, a MiB at a time."""
    head = request(pairs)
    # Without the end of its body.
    yield head[:-8]
    mib = b"".join(record(STDIN, bytes(range(256)) * (BODY_RECORD // 256)) for _ in range((1 << 20) // BODY_RECORD))
    for _ in range(length >> 20):
        yield mib
    yield head[-8:]


def ask(stream, request_bytes):
    """Sends a small request and reads up to END_REQUEST. What came before it. Raises ConnectionError where it does not come."""
    stream.sendall(request_bytes)
    return read_answer(stream)


def read_answer(stream):
    """The output, head and body, up to END_REQUEST."""
    have, content = b"", b""
    while True:
        while len(have) >= 8:
            length = 8 + int.from_bytes(have[4:6], "big") + have[6]
            if len(have) < length:
                break
            if have[1] == END:
                return content
            if have[1] == STDOUT:
                content += have[8:length - have[6]]
            have = have[length:]
        piece = stream.recv(65536)
        if not piece:
            raise ConnectionError("closed before END_REQUEST")
        have += piece


def pair(name, value):
    return length(len(name)) + length(len(value)) + name + value


def length(number):
    return bytes([number]) if number < 128 else (number | 1 << 31).to_bytes(4, "big")


def record(kind, content):
    padding = -len(content) % 8
    return bytes([1, kind, 0, 1]) + len(content).to_bytes(2, "big") + bytes([padding, 0]) + content + bytes(padding)


def pieces(content, most):
    return [content[at:at + most] for at in range(0, len(content), most)]
