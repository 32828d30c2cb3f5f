"""The programs that the tests run: the real service, the sandbox, and an upstream that plays a script."""

from __future__ import annotations

import base64
import http.server
import json
import os
import queue
import subprocess
import threading
import time
import urllib.request
from typing import Any, NamedTuple

TOKEN = "conformance-token"


def _path(variable: str) -> str:
    try:
        return os.environ[variable]
    except KeyError:
        raise RuntimeError(f"{variable} must be the path of the built program") from None


class Process:
    """A program under test, whose output is read all along."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._lines.put(line)
        self._lines.put(None)

    def wait_for_line(self, text: str) -> str:
        """The next line with `text`."""
        seen = []
        while (line := self._lines.get()) is not None:
            if text in line:
                return line
            seen.append(line)
        raise RuntimeError(f"the program ended without a line with {text!r}:\n{''.join(seen)}")

    def terminate(self) -> None:
        self._process.terminate()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()


class Service(Process):
    """ticketing-user-service in front of `truto_url`."""

    def __init__(self, truto_url: str, settings: dict[str, str] | None = None, token: str = TOKEN) -> None:
        environment = {
            "TICKETING_LISTEN": "127.0.0.1:0",
            "TICKETING_ADMIN_LISTEN": "127.0.0.1:0",
            "TICKETING_DRAIN_DELAY": "0s",
            "TRUTO_BASE_URL": truto_url,
            "TRUTO_API_TOKEN": token,
        }
        super().__init__([_path("TICKETING_SERVICE")], environment | (settings or {}))
        self.address: str = json.loads(self.wait_for_line('"listening"'))["address"]


class Sandbox(Process):
    """truto-sandbox, without limits of its own."""

    TOKEN = "sandbox-token"

    def __init__(self) -> None:
        flags = ["--listen", "127.0.0.1:0", "--account-limit", "0", "--token-limit", "0"]
        super().__init__([_path("TICKETING_SANDBOX"), *flags], {})
        self.url = "http://" + self.wait_for_line("listening on ").split("http://")[1].strip()

    def reset(self) -> None:
        request = urllib.request.Request(f"{self.url}/sandbox/reset", method="POST")
        urllib.request.urlopen(request).close()


class Received(NamedTuple):
    """A request that came in."""

    method: str
    target: str
    headers: dict[str, str]
    time: float


class Upstream:
    """Answers each request with the next answer of its script, and closes the connection."""

    def __init__(self) -> None:
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_DELETE(self) -> None:
                upstream._answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE

            def log_message(self, *arguments: Any) -> None:
                pass

        self.received: list[Received] = []
        self._script: list[dict[str, Any]] = []
        self._lock = threading.Condition()
        self._released = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def play(self, script: list[dict[str, Any]]) -> None:
        """Forgets what was, and answers with `script` from now on."""
        with self._lock:
            self.received, self._script = [], list(script)

    def wait_for_request(self) -> Received:
        """The first one since `play`."""
        with self._lock:
            self._lock.wait_for(lambda: self.received)
            return self.received[0]

    def stop(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        with self._lock:
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.received.append(Received(handler.command, handler.path, headers, time.monotonic()))
            self._lock.notify_all()
            # No case expects a teapot: a request too many is seen.
            step: dict[str, Any] = self._script.pop(0) if self._script else {"status": 418}
        if step.get("hang"):
            self._released.wait()
            return
        if step.get("close"):
            return
        if "base64" in step:
            body = base64.b64decode(step["base64"])
        else:
            body = step.get("body", "").encode()
        handler.send_response_only(step["status"])
        for name, value in step.get("headers", {}).items():
            handler.send_header(name, value)
        if step["status"] != 204:
            handler.send_header("Content-Length", str(len(body) + step.get("missing_bytes", 0)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)
