# SPDX-License-Identifier: MIT
"""An nginx of the tests' own, and servers that answer as a test says."""

import http.server
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Nginx:
    """An unmodified nginx on loopback, with the files of a directory."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="devrx-nginx-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        temp = " ".join(
            f"{n}_temp_path {self.dir}/tmp;"
            for n in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        with open(f"{self.dir}/conf", "w") as f:
            f.write(
                f"{user} daemon off; pid {self.dir}/pid; worker_processes 1; events {{}}"
                f" http {{ access_log off; {temp}"
                f" server {{ listen 127.0.0.1:{self.port}; root {self.dir}; }} }}"
            )
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen(
            [program, "-e", f"{self.dir}/error", "-c", f"{self.dir}/conf"]
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(open(f"{self.dir}/error").read()) from None

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def path(self, name):
        return os.path.join(self.dir, name)

    def put(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.url(name)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir)


class WithNginx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.nginx = Nginx()

    @classmethod
    def tearDownClass(cls):
        cls.nginx.stop()


class Server:
    """Answers GET with what a function of the request handler does."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                answer(self)

            def log_message(self, *args):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *args):
                """A client that hangs up is none of the test's."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def url(self, name="f"):
        return f"http://127.0.0.1:{self.server.server_port}/{name}"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
