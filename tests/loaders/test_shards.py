# SPDX-License-Identifier: MIT
"""devrx.torch.ShardStream: each sample once, over ranks, workers, stops and resumes."""

import collections
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading

import devrx.torch
import numpy
import safetensors.numpy
import torch
from support import Server, WithNginx
from torch.utils.data import DataLoader

LENGTH = 16


def first_tokens(stream):
    return [int(sample[0]) for sample in stream]


class Shards(WithNginx):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.arrays, cls.urls = [], []
        at = 0
        # Samples begin with tokens that no other one begins with.
        for i, samples in enumerate([40, 1, 0, 77, 13]):
            tokens = numpy.arange(at, at + samples * LENGTH + 1 + i % 3, dtype="<u2")
            at += samples * LENGTH
            cls.arrays.append(tokens[: samples * LENGTH + 1])
            cls.urls.append(cls.nginx.put(f"{i}.bin", tokens.tobytes()))
        cls.all = sorted(
            int(a[j]) for a in cls.arrays for j in range(0, len(a) - LENGTH, LENGTH)
        )

    def stream(self, **options):
        options = {"length": LENGTH, "block": 300, "connections": 2, **options}
        return devrx.torch.ShardStream(self.urls, **options)

    def test_each_sample_once(self):
        stream = self.stream(shuffle=False)
        samples = list(stream)
        self.assertEqual([int(s[0]) for s in samples], self.all)
        for s in samples:
            self.assertEqual(s.dtype, torch.int64)
            self.assertEqual(s.tolist(), list(range(int(s[0]), int(s[0]) + LENGTH + 1)))

    def test_over_ranks(self):
        for world in (1, 2, 3, 7, 200):
            parts = [first_tokens(self.stream(rank=r, world=world)) for r in range(world)]
            self.assertEqual(sorted(itertools.chain(*parts)), self.all)
            # Equal but for a sample of each shard.
            sizes = [len(p) for p in parts]
            self.assertLessEqual(max(sizes) - min(sizes), len(self.urls))

    def test_shuffled_by_epoch_and_seed(self):
        stream = self.stream(seed=3)
        first, second = first_tokens(stream), first_tokens(stream)
        self.assertEqual(sorted(first), self.all)
        self.assertEqual(sorted(second), self.all)
        self.assertNotEqual(first, second)
        stream.set_epoch(0)
        self.assertEqual(first_tokens(stream), first)
        orders = {tuple(first_tokens(self.stream(seed=s))) for s in range(8)}
        self.assertGreater(len(orders), 3)

    def test_stopped_and_resumed_anywhere(self):
        want = first_tokens(self.stream(seed=1))
        for stop in (0, 1, 7, len(want) // 2, len(want) - 1, len(want)):
            stream = self.stream(seed=1)
            got = [int(s[0]) for s in itertools.islice(stream, stop)]
            state = json.loads(json.dumps(stream.state_dict()))
            again = self.stream(seed=1)
            again.load_state_dict(state)
            got += first_tokens(again)
            self.assertEqual(got, want, stop)

    def test_a_state_of_another_stream(self):
        state = self.stream().state_dict()
        for other in ({"seed": 1}, {"length": 8}, {"rank": 0, "world": 2}, {"shuffle": False}):
            with self.assertRaises(ValueError, msg=other):
                self.stream(**other).load_state_dict(state)

    def test_in_a_loader_with_workers(self):
        loader = DataLoader(self.stream(), batch_size=4, num_workers=2)
        got = [int(t) for batch in loader for t in batch[:, 0]]
        self.assertEqual(sorted(got), self.all)

    def test_other_formats(self):
        tokens = numpy.arange(LENGTH * 5 + 1)
        for dtype in ("u1", "<u2", "<u4", "<i4", "<i8"):
            array = tokens.astype(dtype)
            numpy.save(self.nginx.path("n.npy"), array)
            os.chmod(self.nginx.path("n.npy"), 0o644)
            urls = [self.nginx.url("n.npy")]
            if dtype != "<u4":  # safetensors has had no such type everywhere
                urls.append(
                    self.nginx.put("n.safetensors", safetensors.numpy.save({"tokens": array}))
                )
            for url in urls:
                got = list(devrx.torch.ShardStream([url], LENGTH))
                self.assertEqual([int(s[0]) for s in got], list(range(0, LENGTH * 5, LENGTH)))
                self.assertEqual(got[-1].tolist(), tokens[-LENGTH - 1 :].tolist())

    def test_large_tokens_are_not_negative(self):
        for dtype in ("uint16", "uint32"):
            top = numpy.full(LENGTH + 1, numpy.iinfo(dtype).max, dtype=dtype)
            url = self.nginx.put("top.bin", top.tobytes())
            (sample,) = devrx.torch.ShardStream([url], LENGTH, dtype=dtype)
            self.assertEqual(sample.tolist(), top.tolist())

    def test_what_goes_wrong_is_raised_where_it_is_used(self):
        with self.assertRaises(devrx.Error) as e:
            list(devrx.torch.ShardStream([self.nginx.url("none")], LENGTH))
        self.assertEqual(e.exception.id, "http-status")
        numpy.save(self.nginx.path("two.npy"), numpy.zeros((2, 2), "<u2"))
        os.chmod(self.nginx.path("two.npy"), 0o644)
        for name, data in (("x.npy", b"nothing"), ("y.npy", b"\x93NUMPY\1\0\xff\xff" + b" " * 100)):
            self.nginx.put(name, data)
        for name in ("two.npy", "x.npy", "y.npy"):
            with self.assertRaises(ValueError):
                list(devrx.torch.ShardStream([self.nginx.url(name)], LENGTH))
        for bad in ({"dtype": "float32"}, {"length": 0}, {"prefetch": 0}):
            with self.assertRaises(ValueError):
                self.stream(**bad)

    def test_one_that_is_left_ends_at_once(self):
        """Although a server is silent, for which it would wait for two minutes."""
        asked, silent = threading.Event(), threading.Event()

        def answer(h):
            first, last = map(int, h.headers["Range"][6:].split("-"))
            h.send_response(206)
            h.send_header("Content-Length", str(last - first + 1))
            h.send_header("Content-Range", f"bytes {first}-{last}/100000")
            h.end_headers()
            h.wfile.write(bytes(min(last - first + 1, 1000)))
            if first >= 5000:
                asked.set()
                silent.wait(120)
            elif last - first >= 1000:
                h.wfile.write(bytes(last - first + 1 - 1000))

        with Server(answer) as server:
            stream = devrx.torch.ShardStream(
                [server.url("f.bin")], 100, block=4000, idle_timeout=120, request=4096
            )
            samples = iter(stream)
            next(samples)
            self.assertTrue(asked.wait(60))
            # What hangs shall end, and be seen.
            watchdog = threading.Timer(30, silent.set)
            watchdog.start()
            samples.close()
            self.assertFalse(silent.is_set())
            watchdog.cancel()
            silent.set()

    def test_under_torchrun(self):
        """Two ranks, stopped in the middle, and two others that go on."""
        with tempfile.TemporaryDirectory() as out:
            for phase in ("stop", "resume"):
                subprocess.run(
                    [
                        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2",
                        # torch 1.13 on Python 3.11 has no name for "redirect nothing".
                        "--redirects=1", "--tee=1", f"--log_dir={out}/log",
                        "--standalone", os.path.join(os.path.dirname(__file__), "ranks.py"),
                        phase, out, *self.urls,
                    ],
                    check=True,
                    timeout=240,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )  # fmt: skip
            seen = collections.Counter()
            for rank in (0, 1):
                for phase in ("stop", "resume"):
                    with open(f"{out}/{phase}.{rank}") as f:
                        seen.update(json.load(f))
        self.assertEqual(sorted(seen.elements()), self.all)
