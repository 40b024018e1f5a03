# SPDX-License-Identifier: MIT
"""devrx.get() and Client: bytes, errors, threads, forks, signals."""

import errno
import gc
import os
import signal
import threading
import time

import devrx
from support import Server, WithNginx

DATA = os.urandom(5_000_001)


class Client(WithNginx):
    def setUp(self):
        self.url = self.nginx.put("f", DATA)

    def test_all_of_it(self):
        buffer = devrx.get(self.url)
        self.assertEqual(bytes(buffer), DATA)
        self.assertEqual(buffer.nbytes, len(DATA))
        self.assertEqual(len(buffer), len(DATA))
        self.assertEqual((buffer.kind, buffer.placement), ("host", "host"))
        self.assertEqual(buffer.tobytes(), DATA)
        self.assertEqual(buffer.tobytes(10, 5), DATA[10:15])
        self.assertEqual(buffer.tobytes(len(DATA) - 3), DATA[-3:])
        with self.assertRaises(IndexError):
            buffer.tobytes(len(DATA) + 1)

    def test_a_part_of_it(self):
        self.assertEqual(bytes(devrx.get(self.url, first=100, length=50)), DATA[100:150])
        self.assertEqual(bytes(devrx.get(self.url, first=len(DATA) - 7)), DATA[-7:])
        self.assertEqual(bytes(devrx.get(self.url, first=5, length=0)), b"")

    def test_options(self):
        with devrx.Client(connections=2, request=100_000, tier="recv") as client:
            self.assertEqual(bytes(client.get(self.url)), DATA)
            self.assertEqual(client.tier, "recv")
            self.assertGreater(client.stats()["bytes"], len(DATA))
        for bad in (
            {"tier": "none"},
            {"headers": {"a": "b\r\nc: d"}},
            {"headers": {"a:": "b"}},
            {"idle_timeout": 0},
        ):
            with self.assertRaises(ValueError, msg=bad):
                devrx.Client(**bad)
        for bad in ({"connections": 65}, {"request": 100}):
            with self.assertRaises(devrx.Error, msg=bad) as e:
                devrx.Client(**bad)
            self.assertEqual(e.exception.id, "opts-invalid")
        for bad in ("", ":1", "cuda:", "x" * 100):
            with self.assertRaises(ValueError, msg=bad):
                devrx.Client(bad)

    def test_into_a_buffer_that_is_there(self):
        with devrx.Client() as client:
            buffer = client.get(self.url, 0, 1000)
            result = client.into(buffer, self.url, 5000, 100, offset=50)
            self.assertEqual(bytes(buffer), DATA[:50] + DATA[5000:5100] + DATA[150:1000])
            self.assertEqual((result["done"], result["status"]), (100, 206))
            with self.assertRaises(ValueError):
                client.into(buffer, self.url, 0, 100, offset=901)

    def test_headers_are_sent(self):
        def answer(h):
            body = h.headers.get("X-Test", "").encode() + b"."
            h.send_response(200)
            h.send_header("Content-Length", str(len(body)))
            h.end_headers()
            h.wfile.write(body)

        with Server(answer) as server, devrx.Client(headers={"X-Test": "yes"}) as client:
            self.assertEqual(client.read(server.url(), 0, 4), b"yes.")

    def test_what_it_cannot(self):
        with self.assertRaises(devrx.Error) as e:
            devrx.get(self.nginx.url("none"))
        self.assertIsInstance(e.exception, OSError)
        self.assertEqual(e.exception.errno, errno.ENOENT)
        self.assertEqual(e.exception.id, "http-status")
        self.assertIn("404", e.exception.text)
        self.assertIn("404", str(e.exception))
        with self.assertRaises(devrx.Error) as e:
            devrx.get("https://127.0.0.1/")
        self.assertEqual(e.exception.id, "http-tls")
        self.assertIn("http://", e.exception.next)
        with self.assertRaises(devrx.Error) as e:
            devrx.get(self.url, device="nonsense")
        self.assertEqual(e.exception.id, "kind-unknown")
        with self.assertRaises(TypeError):
            devrx.get(5)

    def test_a_length_that_nobody_knows(self):
        def answer(h):
            h.send_response(200)
            h.send_header("Transfer-Encoding", "chunked")
            h.end_headers()
            h.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

        with Server(answer) as server, devrx.Client() as client:
            with self.assertRaises(ValueError):
                client.get(server.url())
            self.assertEqual(bytes(client.get(server.url(), 0, 5)), b"hello")

    def test_progress(self):
        told = []
        devrx.get(self.url, progress=lambda done, total: told.append((done, total)))
        self.assertEqual(told[-1], (len(DATA), len(DATA)))
        self.assertEqual(told, sorted(told))

        def stop(done, total):
            raise KeyError("enough")

        with self.assertRaises(KeyError):
            devrx.get(self.url, progress=stop)
        self.assertEqual(bytes(devrx.get(self.url)), DATA)

    def test_a_client_is_for_its_thread(self):
        client = devrx.Client()
        seen = []

        def other():
            for call in (lambda: client.get(self.url), client.close):
                try:
                    call()
                except RuntimeError as e:
                    seen.append(str(e))
            seen.append(bytes(devrx.get(self.url)) == DATA)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        self.assertEqual(len(seen), 3)
        self.assertIn("thread that made it", seen[0])
        self.assertTrue(seen[2])
        client.close()
        client.close()
        with self.assertRaises(ValueError):
            client.get(self.url)

    def test_others_run_while_it_waits(self):
        ticks = []
        silent = threading.Event()

        def answer(h):
            silent.wait(30)
            h.close_connection = True

        with Server(answer) as server:

            def wait():
                with self.assertRaises(devrx.Error) as e, devrx.Client() as client:
                    client.get(server.url(), 0, 5, deadline=0.5)
                self.assertEqual(e.exception.id, "http-deadline")
                ticks.append("end")

            thread = threading.Thread(target=wait)
            thread.start()
            while not ticks or ticks[-1] != "end":
                ticks.append(time.monotonic())
                time.sleep(0.01)
            thread.join()
            silent.set()
        self.assertGreater(len(ticks), 10)

    def test_a_signal_ends_it(self):
        silent = threading.Event()

        def answer(h):
            os.kill(os.getpid(), signal.SIGINT)
            silent.wait(30)
            h.close_connection = True

        with Server(answer) as server, devrx.Client() as client:
            with self.assertRaises(KeyboardInterrupt):
                client.get(server.url(), 0, 5, deadline=60)
            silent.set()
            self.assertEqual(bytes(client.get(self.url)), DATA)

    def test_after_a_fork_there_is_another(self):
        devrx.get(self.url)
        pid = os.fork()
        if not pid:
            ok = bytes(devrx.get(self.url)) == DATA
            os._exit(0 if ok else 1)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertEqual(bytes(devrx.get(self.url)), DATA)

    def test_a_buffer_outlives_its_client(self):
        with devrx.Client() as client:
            buffer = client.get(self.url)
        del client
        gc.collect()
        self.assertEqual(bytes(buffer), DATA)

    def test_nothing_is_left_open(self):
        def descriptors():
            return len(os.listdir("/proc/self/fd"))

        with devrx.Client() as client:
            client.get(self.url)
        before = descriptors()
        for _ in range(20):
            with devrx.Client() as client:
                client.get(self.url)
            with self.assertRaises(devrx.Error):
                devrx.Client(connections=65)
        gc.collect()
        self.assertEqual(descriptors(), before)

    def test_a_stream(self):
        with devrx.open(self.url, block=1 << 20) as stream:
            self.assertEqual(stream.nbytes, len(DATA))
            blocks = [bytes(b) for b in stream]
            self.assertEqual(len(blocks), 5)
            self.assertEqual(b"".join(blocks), DATA)
            stream.seek(-10, os.SEEK_END)
            self.assertEqual(stream.read(), DATA[-10:])
            stream.seek(100)
            self.assertEqual(stream.read(5), DATA[100:105])
            self.assertEqual(stream.tell(), 105)
            with self.assertRaises(ValueError):
                stream.seek(-1)

    def test_a_server_that_changes_the_file(self):
        requests = []

        def answer(h):
            first, last = h.headers["Range"][6:].split("-")
            n = int(last) - int(first) + 1
            requests.append(n)
            h.send_response(206)
            h.send_header("Content-Length", str(n))
            h.send_header("Content-Range", f"bytes {first}-{last}/100000")
            h.send_header("ETag", f'"{len(requests) > 3}"')
            h.end_headers()
            h.wfile.write(b"x" * n)

        with Server(answer) as server, devrx.Client(request=10000) as client:
            with self.assertRaises(devrx.Error) as e:
                client.get(server.url(), 0, 100000)
        self.assertEqual((e.exception.id, e.exception.errno), ("http-changed", errno.ESTALE))
