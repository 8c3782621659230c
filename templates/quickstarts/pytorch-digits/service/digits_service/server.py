"""HTTP around score.py, with the standard library alone.

Answers from the first moment: /healthz says that the process lives, /readyz whether a model is loaded.
"""

import contextlib
import ctypes
import json
import os
import platform
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from digits_service import openapi, score
from digits_service.inputs import BadRequest, parse_bytes

BODY_BYTES_MAX = 8 << 20
IDLE_S = 300  # longer than clients keep idle connections, so that the client is the one who closes
DRAIN_S = 10
CONNECTIONS_MAX = 128  # a thread for each
STACK_BYTES = (
    2 << 20
)  # of such a thread; deeply nested JSON overflows less, and the usual 8 MiB are too many to reserve
M_ARENA_MAX = -8  # malloc.h
PREDICT = "/v1/predict"


class State:
    """What the process knows about itself. Written under the lock, read without."""

    def __init__(self):
        self.lock = threading.Lock()
        self.problem = "no model yet"  # None once a model is loaded
        self.loaded = {}
        self.draining = False
        self.at_work = 0
        self.requests = {}  # (path, status) -> count
        self.answered = {}  # label -> count
        self.seconds = 0.0

    def load(self) -> None:
        try:
            self.loaded = score.init()
            self.problem = None
        except score.NoModel as nothing:
            self.problem = str(nothing)
        except Exception as error:  # a broken model must not end the process: /readyz tells
            self.problem = f"cannot load the model: {error}"
        print(f"ready with {self.loaded['digest']}" if self.problem is None else self.problem, flush=True)

    def version(self) -> dict:
        return {
            "service": "digits-service",
            "model": score.NAME,
            "version": os.environ.get("MODEL_VERSION"),
            "digest": self.loaded.get("digest"),
            "ready": self.problem is None,
            "runtime": {"python": platform.python_version(), **self.loaded.get("runtime", {})},
        }

    def count(self, path: str, status: int, seconds: float, labels) -> None:
        with self.lock:
            self.requests[path, status] = self.requests.get((path, status), 0) + 1
            if path == PREDICT:
                self.seconds += seconds
            for label in labels:
                self.answered[label] = self.answered.get(label, 0) + 1

    def metrics(self) -> str:
        with self.lock:
            requests, answered, seconds = sorted(self.requests.items()), sorted(self.answered.items()), self.seconds
        lines = [
            "# TYPE digits_model_ready gauge",
            f"digits_model_ready {int(self.problem is None)}",
            "# TYPE digits_requests_total counter",
        ]
        lines += [f'digits_requests_total{{path="{path}",status="{status}"}} {n}' for (path, status), n in requests]
        lines += [
            "# TYPE digits_predict_seconds_total counter",
            f"digits_predict_seconds_total {seconds:.6f}",
            "# TYPE digits_labels_total counter",
        ]
        lines += [f'digits_labels_total{{label="{label}"}} {n}' for label, n in answered]
        return "\n".join(lines) + "\n"


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address):
        super().__init__(address, Handler)
        self.state = State()

    def server_bind(self):
        TCPServer.server_bind(self)  # HTTPServer's own would look up a name, and wait where there is no name server
        self.server_name, self.server_port = self.server_address[:2]

    def verify_request(self, request, client_address):
        if threading.active_count() <= CONNECTIONS_MAX:
            return True
        request.sendall(
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        return False

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):  # a client that left is no news
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive
    server_version, sys_version = "digits-service", ""
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    timeout = IDLE_S

    error_content_type = "application/json"  # for what never reaches a route
    error_message_format = '{"error":"this is no request that is understood here (%(code)d)"}'

    def handle_any(self) -> None:
        started, state = time.perf_counter(), self.server.state
        with state.lock:
            state.at_work += 1
        try:
            path = self.path.split("?", 1)[0]
            known, labels = path in ROUTES, ()
            body = self.body()
            if body is None:
                self.close_connection = True
                status, answer = 413, {"error": f"a body has at most {BODY_BYTES_MAX} bytes, and says how many"}
            elif not known:
                status, answer = 404, {"error": f"nothing here; there are {', '.join(ROUTES)}"}
            elif self.command not in (("POST",) if path == PREDICT else ("GET", "HEAD")):
                status, answer = 405, {"error": f"{path} takes {'POST' if path == PREDICT else 'GET'}"}
            else:
                status, answer = ROUTES[path](self, body)
                if path == PREDICT and status == 200:
                    labels = score.counted(answer)
            state.count(path if known else "other", status, time.perf_counter() - started, labels)
            self.reply(status, answer, path)
        finally:
            with state.lock:
                state.at_work -= 1

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any

    def body(self) -> bytes | None:
        """The whole body, so that the connection can go on after it; None where it is too large or unreadable."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self.chunks()
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not is_size(length, 10) or int(length) > BODY_BYTES_MAX:
            return None
        return self.rfile.read(int(length))

    def chunks(self) -> bytes | None:
        """A body that comes in pieces, each after a line with its size in hexadecimal."""
        pieces, total = [], 0
        while True:
            size = self.rfile.readline(128).split(b";")[0].strip().decode("latin-1")
            if not is_size(size, 16) or (total := total + int(size, 16)) > BODY_BYTES_MAX:
                return None
            if int(size, 16) == 0:
                while self.rfile.readline(4096).strip():
                    pass  # trailers
                return b"".join(pieces)
            pieces.append(self.rfile.read(int(size, 16)))
            self.rfile.readline(128)

    def reply(self, status: int, answer, path: str) -> None:
        text = isinstance(answer, str)
        body = (answer if text else json.dumps(answer, separators=(",", ":"))).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8" if text else "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 405:
            self.send_header("Allow", "POST" if path == PREDICT else "GET, HEAD")
        if status == 503:
            self.send_header("Retry-After", "2")
        if self.server.state.draining:
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()  # while the request still counts as at work

    def predict(self, body: bytes):
        if self.server.state.problem is not None:
            return 503, {"error": self.server.state.problem}
        kind = self.headers.get("Content-Type", "application/json").split(";")[0].strip().lower()
        try:
            if kind == "application/octet-stream":
                return 200, score.answer(parse_bytes(body))
            return 200, score.run(decode(body))
        except BadRequest as bad:
            return 400, {"error": str(bad)}
        except Exception as error:
            self.log_error("predict: %r", error)
            return 500, {"error": f"the model cannot answer this: {error}"}

    def ready(self, _body):
        state = self.server.state
        problem = "shutting down" if state.draining else state.problem
        return (200, {"ready": True}) if problem is None else (503, {"ready": False, "error": problem})

    def healthy(self, _body):
        return 200, {"alive": True}

    def openapi(self, _body):
        return 200, openapi.DOCUMENT

    def version(self, _body):
        return 200, self.server.state.version()

    def metrics(self, _body):
        return 200, self.server.state.metrics()

    def root(self, _body):
        return 200, {**self.server.state.version(), "paths": list(ROUTES)}

    def log_request(self, code="-", size="-"):
        """Quiet: /metrics counts requests."""


ROUTES = {
    "/": Handler.root,
    PREDICT: Handler.predict,
    "/healthz": Handler.healthy,
    "/readyz": Handler.ready,
    "/version": Handler.version,
    "/openapi.json": Handler.openapi,
    "/metrics": Handler.metrics,
}


def decode(body: bytes):
    """The JSON value of a body."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as bad:
        raise BadRequest(f"the body is not JSON: {bad}") from None


def is_size(text: str, base: int) -> bool:
    """Whether this is a plain number, without sign, space or underscore."""
    return 0 < len(text) <= 12 and all(c in "0123456789abcdefABCDEF"[: 10 if base == 10 else None] for c in text)


def serve(host: str, port: int) -> int:
    """Listens first, then loads the model; ends on SIGTERM or SIGINT when no request is at work any more."""
    threading.stack_size(STACK_BYTES)
    share_one_heap()
    server = Server((host, port))
    print(f"listening on {host}:{server.server_address[1]}", flush=True)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    server.state.load()
    ending.wait()

    server.state.draining = True
    server.shutdown()
    until = time.monotonic() + DRAIN_S
    while server.state.at_work and time.monotonic() < until:
        time.sleep(0.01)
    return 0


def share_one_heap() -> None:
    """Keeps glibc from reserving 64 MiB of addresses for each thread, which a limit on memory may count."""
    with contextlib.suppress(OSError, AttributeError):  # another C library reserves nothing
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
