# SPDX-License-Identifier: MIT
"""The samples in C that fetch from a web server: natively, on the fake CUDA driver."""

import array
import os
import subprocess
import unittest

from support import WithNginx

BUILD = os.path.join(os.path.dirname(__file__), "../../build/dev")


def crc32c(data):
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Samples(WithNginx):
    def run_sample(self, name, *args, rc=0):
        env = {
            **os.environ,
            "LD_LIBRARY_PATH": f"{BUILD}/tests/fakes/libcuda",
            "DEVRX_FAKE_CUDA": "backing=memfd",
        }
        done = subprocess.run(
            [f"{BUILD}/samples/{name}", *args], env=env, capture_output=True, text=True, timeout=120
        )
        self.assertEqual(done.returncode, rc, done.stderr)
        return done.stdout + done.stderr

    @unittest.skipUnless(os.path.exists(f"{BUILD}/samples/http_to_gpu"), "no CUDA toolkit here")
    def test_http_to_gpu(self):
        data = os.urandom(3_000_001)
        image = f"{BUILD}/kernel/devrx_kernels.fatbin"
        out = self.run_sample("http_to_gpu", "-", self.nginx.put("f", data), image)
        self.assertTrue(out.startswith(f"{crc32c(data):08x}  3000001 bytes, "), out)
        self.assertIn("gathered by a CUDA kernel, devrx fake GPU", out)
        out = self.run_sample("http_to_gpu", "-", self.nginx.url("none"), image, rc=1)
        self.assertIn("404", out)
        self.assertIn("usage", self.run_sample("http_to_gpu", rc=2))

    def test_token_stream(self):
        shards = [array.array("H", os.urandom(n * 2)) for n in (1_500_000, 1, 0, 700_000)]
        urls = [self.nginx.put(f"{i}", s.tobytes()) for i, s in enumerate(shards)]
        urls.append(self.nginx.put("half", b"x"))
        want = f"{sum(map(len, shards))} tokens, sum {sum(map(sum, shards))}\n"
        for kind in ("host", "cuda"):
            self.assertEqual(self.run_sample("token_stream", kind, *urls), want)
        self.assertIn("404", self.run_sample("token_stream", "host", self.nginx.url("none"), rc=1))
        self.assertIn("no kind", self.run_sample("token_stream", "none", urls[0], rc=1))
        self.assertIn("usage", self.run_sample("token_stream", rc=2))
