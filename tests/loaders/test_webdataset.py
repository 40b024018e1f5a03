# SPDX-License-Identifier: MIT
"""WebDataset opens its shards by devrx."""

import io
import tarfile
import unittest

import devrx.webdataset
from support import WithNginx

try:
    import webdataset
except ImportError as e:
    webdataset, why = None, e


class WebDataset(WithNginx):
    def tar(self, n):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for i in range(50):
                data = f"{n}.{i}".encode() * 10000
                info = tarfile.TarInfo(f"{n:02}-{i:03}.bin")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return self.nginx.put(f"{n}.tar", out.getvalue())

    def test_as_a_file(self):
        url = self.tar(0)
        with devrx.webdataset.gopen(url) as f, tarfile.open(fileobj=f, mode="r|") as tar:
            names = [m.name for m in tar]
        self.assertEqual(len(names), 50)
        with self.assertRaises(ValueError):
            devrx.webdataset.gopen(url, "wb")

    @unittest.skipUnless(webdataset, "webdataset cannot be imported here")
    def test_registered(self):
        urls = [self.tar(n) for n in range(3)]
        devrx.webdataset.register(connections=2)
        samples = list(webdataset.WebDataset(urls, shardshuffle=False))
        self.assertEqual(len(samples), 150)
        self.assertEqual(samples[60]["bin"], b"1.10" * 10000)
