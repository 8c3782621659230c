"""A service for the tests: answers with its model's number and with what it was asked."""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import gethostname
from urllib.parse import parse_qs, urlsplit

OFFSET = int(Path(os.environ["MODEL_DIR"], "offset.txt").read_text())
LABEL = os.environ.get("LABEL", "none")


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, document, status=200):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def do_GET(self):
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/readyz":
            self.answer({}, 503 if os.environ.get("NEVER_READY") else 200)
        elif url.path == "/which":
            self.answer({"label": LABEL, "port": os.environ["PORT"], "host": gethostname(), "headers": dict(self.headers)})
        elif url.path == "/slow":
            time.sleep(float(asked["s"]))
            self.answer({"label": LABEL})
        elif url.path == "/events":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for number in range(4):
                self.wfile.write(f"data: {number} {time.time()}\n\n".encode())
                self.wfile.flush()
                time.sleep(0.1)
            self.close_connection = True
        elif url.path == "/die":
            print("dying as asked", file=sys.stderr, flush=True)
            os._exit(3)
        elif url.path == "/hangup":
            self.answer({"label": LABEL})
            # Closes a connection that it promised to keep.
            self.close_connection = True
        else:
            self.answer({"error": "no such page"}, 404)

    def do_POST(self):
        body = self.body()
        if self.path == "/v1/predict":
            self.answer({"label": json.loads(body)["x"] + OFFSET})
        else:
            self.answer({"bytes": len(body)})


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


print(f"{LABEL} is starting", file=sys.stderr, flush=True)
if os.environ.get("CRASH_AT_START"):
    sys.exit("no weights today")
Server(("127.0.0.1", int(os.environ["PORT"])), Service).serve_forever()
