# SPDX-License-Identifier: MIT
"""Buffers as tensors, and safetensors files: what their own package reads."""

import gc
import json
import os
import struct
import unittest

import devrx
import devrx.safetensors
import numpy
import safetensors.numpy
import safetensors.torch
import torch
from support import WithNginx

DTYPES = [
    torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int8,
    torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool,
]  # fmt: skip


FILE = os.path.realpath(
    os.path.join(os.path.dirname(__file__), "../../build/loaders/share/model.safetensors")
)


def raw(tensor):
    return tensor if tensor.dtype == torch.bool else tensor.contiguous().view(torch.uint8)


def tensors(n, seed=0):
    torch.manual_seed(seed)
    out = {}
    for i in range(n):
        shape = [(i % 7 + 1, i % 5 + 1), (i % 1000,), (), (2, 3, i % 3 + 1)][i % 4]
        out[f"layer.{i}"] = (torch.randn(shape) * 50).to(DTYPES[i % len(DTYPES)])
    return out


class Tensors(WithNginx):
    def test_dlpack(self):
        data = bytes(range(256)) * 100
        buffer = devrx.get(self.nginx.put("f", data))
        self.assertEqual(buffer.__dlpack_device__(), (1, 0))
        tensor = torch.from_dlpack(buffer)
        self.assertEqual((tensor.dtype, tuple(tensor.shape)), (torch.uint8, (25600,)))
        self.assertEqual(bytes(tensor.numpy()), data)
        # The same memory: not a copy.
        tensor[5] = 77
        self.assertEqual(buffer.tobytes(5, 1), b"M")
        array = numpy.from_dlpack(buffer)
        self.assertEqual(int(array[5]), 77)
        self.assertFalse(hasattr(buffer, "__cuda_array_interface__"))
        del buffer, array
        gc.collect()
        self.assertEqual(int(tensor[6]), 6)

    def test_a_capsule_that_nobody_takes(self):
        buffer = devrx.get(self.nginx.put("f", b"x" * 100))
        for _ in range(1000):
            buffer.__dlpack__(stream=None, max_version=(1, 0))

    def test_what_the_package_reads(self):
        want = tensors(120)
        safetensors.torch.save_file(want, self.nginx.path("m"), metadata={"a": "b"})
        with open(self.nginx.path("m"), "rb") as f:
            url = self.nginx.put("m.safetensors", f.read())
        ref = safetensors.torch.load_file(self.nginx.path("m"))
        got = devrx.load_safetensors(url)
        self.assertEqual(got.keys(), ref.keys())
        for name, tensor in ref.items():
            self.assertEqual(got[name].dtype, tensor.dtype, name)
            self.assertEqual(got[name].shape, tensor.shape, name)
            self.assertTrue(torch.equal(got[name], tensor), name)

    @unittest.skipUnless(os.path.exists(FILE), "build/loaders/share was not made")
    def test_a_file_of_128_mib_by_tier_recv(self):
        """The one that the VM loads by zcrx-device."""
        os.symlink(FILE, self.nginx.path("large"))
        ref = safetensors.torch.load_file(FILE)
        with devrx.Client() as client:
            got = devrx.load_safetensors(self.nginx.url("large"), client=client)
            self.assertEqual(client.tier, "recv")
        self.assertGreaterEqual(os.path.getsize(FILE), 128 << 20)
        self.assertGreaterEqual(len(ref), 100)
        self.assertEqual(got.keys(), ref.keys())
        for name, tensor in ref.items():
            self.assertEqual(got[name].dtype, tensor.dtype, name)
            # By its bytes: a NaN is equal to nothing.
            self.assertTrue(
                tensor.shape == got[name].shape
                and bytes(raw(got[name]).numpy()) == bytes(raw(tensor).numpy()),
                name,
            )

    def test_several_files(self):
        urls, want = [], {}
        for i in range(3):
            part = {f"{i}.{k}": v for k, v in tensors(9, i).items()}
            want.update(part)
            urls.append(self.nginx.put(f"{i}.st", safetensors.torch.save(part)))
        got = devrx.load_safetensors(urls)
        self.assertEqual(got.keys(), want.keys())
        self.assertTrue(all(torch.equal(got[k], want[k]) for k in want))
        with self.assertRaisesRegex(ValueError, "in another file"):
            devrx.load_safetensors(urls + urls[:1])

    def test_as_numpy(self):
        want = {"a": numpy.arange(10, dtype="f4").reshape(2, 5), "b": numpy.ones(3, "i8")}
        url = self.nginx.put("n", safetensors.numpy.save(want))
        got = devrx.load_safetensors(url, framework="numpy")
        self.assertTrue(all(numpy.array_equal(got[k], want[k]) for k in want))
        with self.assertRaises(ValueError):
            devrx.load_safetensors(url, framework="jax")
        url = self.nginx.put("b", safetensors.torch.save({"a": torch.ones(2).bfloat16()}))
        with self.assertRaises(TypeError):
            devrx.load_safetensors(url, framework="numpy")

    def test_without_tensors(self):
        self.assertEqual(devrx.load_safetensors(self.nginx.put("e", safetensors.torch.save({}))), {})
        empty = {"a": torch.empty(0, 3), "b": torch.empty(0)}
        got = devrx.load_safetensors(self.nginx.put("e", safetensors.torch.save(empty)))
        self.assertEqual(got["a"].shape, (0, 3))

    def test_a_long_header(self):
        want = {f"{'n' * 200}{i}": torch.tensor([i]) for i in range(1000)}
        got = devrx.load_safetensors(self.nginx.put("l", safetensors.torch.save(want)))
        self.assertEqual({k: int(v) for k, v in got.items()}, {k: int(v) for k, v in want.items()})

    def test_files_that_are_none(self):
        def of(header, data=b"", n=None):
            text = header if isinstance(header, bytes) else json.dumps(header).encode()
            return struct.pack("<Q", len(text) if n is None else n) + text + data

        def one(dtype="U8", shape=(4,), offsets=(0, 4)):
            return {"t": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}

        bad = [
            b"",
            b"1234567",
            of({}, n=5),
            of({}, n=1 << 40),
            of({}, n=2**64 - 1),
            of(b"\xff\xfe"),
            of(b"[1]"),
            of(b"{"),
            of(one(), b"123"),
            of(one(), b"12345"),
            of(one(offsets=(1, 5)), b"12345"),
            of(one(shape=(5,)), b"1234"),
            of(one(shape=(-1, -4)), b"1234"),
            of(one(shape=(2.0, 2)), b"1234"),
            of(one(dtype="X9"), b"1234"),
            of(one(offsets=(4, 0)), b"1234"),
            of(one(offsets=(-4, 0)), b"1234"),
            of(one(offsets=(False, 4)), b"1234"),
            of(one(shape=(2**62, 4)), b"1234"),
            of({"t": 5}, b""),
            of({"t": {}}, b""),
            of({**one(), "u": one()["t"]}, b"1234"),
        ]
        for data in bad:
            with self.assertRaises(ValueError, msg=data):
                devrx.load_safetensors(self.nginx.put("x", data))
