"""HTTP around a scoring file: `init()` once at the start, `run(data)` for each request.

Started as `python -c <this> <file> <ready path> <predict path>`; uses the standard library alone.
`data` is the decoded body where it is JSON, else its bytes; bytes come back as they are, everything else as JSON.
`sample_input` and `sample_output` of the file, where it has them, describe both in /openapi.json.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

BODY_BYTES_MAX = 16 << 20
IDLE_S = 300  # longer than the gateway keeps idle connections, so that it is the one who closes
DRAIN_S = 10
STACK_BYTES = 2 << 20
M_ARENA_MAX = -8  # malloc.h
MODEL = os.environ.get("MODEL_NAME", "model")
FILE, READY, PREDICT = sys.argv[1:4]


def load(file):
    """The scoring file as a module; its folder's other modules can be imported."""
    sys.path.insert(0, str(Path(file).resolve().parent))
    spec = importlib.util.spec_from_file_location("score", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules["score"] = module
    spec.loader.exec_module(module)
    for name in ("init", "run"):
        if not callable(getattr(module, name, None)):
            sys.exit(f"{file} has no function `{name}`; it needs `init()` and `run(data)`")
    return module


def plain(value):
    """What JSON cannot say by itself: arrays and numbers of numeric libraries."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"`run` answered with {type(value).__name__}, which is no JSON; answer with lists, objects or bytes")


def told(status, value):
    return status, "application/json", json.dumps(value, default=plain).encode()


def schema(sample):
    """The JSON schema that a sample suggests."""
    sample = sample.tolist() if hasattr(sample, "tolist") else sample
    if isinstance(sample, dict):
        return {"type": "object", "properties": {str(k): schema(v) for k, v in sample.items()}}
    if isinstance(sample, (list, tuple)):
        return {"type": "array", "items": schema(sample[0]) if len(sample) else {}}
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))
    return next(({"type": name} for kind, name in kinds if isinstance(sample, kind)), {})


def described(sample):
    if sample is None:
        return {"application/json": {"schema": {}}}
    return {"application/json": {"schema": schema(sample), "example": json.loads(json.dumps(sample, default=plain))}}


def openapi(module):
    text = {"content": {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}}}
    answers = {
        "200": {"description": "The answer", "content": described(getattr(module, "sample_output", None))},
        "400": {"description": "The input does not fit", **text},
        "500": {"description": "The model failed", **text},
    }
    body = {"required": True, "content": described(getattr(module, "sample_input", None))}
    post = {"operationId": "predict", "requestBody": body, "responses": answers}
    version = os.environ.get("MODEL_VERSION", "0")
    return {"openapi": "3.0.3", "info": {"title": MODEL, "version": version}, "paths": {PREDICT: {"post": post}}}


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    score = None  # once `init` has returned
    at_work = 0
    draining = False
    lock = threading.Lock()

    def server_bind(self):
        TCPServer.server_bind(self)  # HTTPServer's own would look up a name, and wait where there is no name server
        self.server_name, self.server_port = self.server_address[:2]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "score", ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_S

    def handle_any(self):
        with self.server.lock:
            self.server.at_work += 1
        try:
            body = self.body()
            if body is None:
                self.close_connection = True
                answer = told(413, {"error": f"a body has at most {BODY_BYTES_MAX} bytes, and says how many"})
            else:
                answer = self.answer(self.path.split("?", 1)[0], body)
            self.reply(*answer)
        finally:
            with self.server.lock:
                self.server.at_work -= 1

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def answer(self, path, body):
        score = self.server.score
        if path == PREDICT:
            if self.command != "POST":
                return told(405, {"error": f"{path} takes POST"})
            return self.predict(body) if score else told(503, {"error": "the model is being loaded"})
        if path == READY:
            is_ready = score is not None and not self.server.draining
            return told(200 if is_ready else 503, {"ready": is_ready})
        if path == "/openapi.json" and score:
            return told(200, openapi(score))
        return told(404, {"error": f"nothing here; there are {READY}, {PREDICT}, /openapi.json"})

    def predict(self, body):
        kind = self.headers.get("Content-Type", "application/json").split(";")[0].strip().lower()
        try:
            data = json.loads(body) if kind == "application/json" or kind.endswith("+json") else body
        except (ValueError, RecursionError) as bad:
            return told(400, {"error": f"the body is not JSON: {bad}"})
        try:
            answer = self.server.score.run(data)
            if isinstance(answer, (bytes, bytearray)):
                return 200, "application/octet-stream", bytes(answer)
            return told(200, answer)
        except (ValueError, KeyError, IndexError) as bad:
            return told(400, {"error": f"{type(bad).__name__}: {bad}"})
        except Exception as error:  # whatever the scoring file raises is told, and the next request is served
            self.log_error("run: %r", error)
            return told(500, {"error": f"{type(error).__name__}: {error}"})

    def body(self):
        """The whole body; None where it is too large or unreadable."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self.chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > BODY_BYTES_MAX:
            return None
        return self.rfile.read(int(length))

    def chunks(self):
        pieces, total = [], 0
        while True:
            try:
                size = int(self.rfile.readline(128).split(b";")[0], 16)
            except ValueError:
                return None
            total += size
            if size < 0 or total > BODY_BYTES_MAX:
                return None
            if size == 0:
                while self.rfile.readline(4096).strip():
                    pass
                return b"".join(pieces)
            pieces.append(self.rfile.read(size))
            self.rfile.readline(128)

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 503:
            self.send_header("Retry-After", "2")
        if self.server.draining or self.close_connection:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_request(self, code="-", size="-"):
        """Quiet: the gateway counts requests."""


def main():
    threading.stack_size(STACK_BYTES)
    with contextlib.suppress(OSError, AttributeError):  # keeps glibc from reserving 64 MiB of addresses for each thread
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    module = load(FILE)
    module.init()
    server.score = module
    print(f"{FILE} is ready", flush=True)
    ending.wait()
    server.draining = True
    server.shutdown()
    until = time.monotonic() + DRAIN_S
    while server.at_work and time.monotonic() < until:
        time.sleep(0.01)


main()
