# SPDX-License-Identifier: MIT
"""The examples of the package's README, as they stand there."""

import array
import doctest
import os

import safetensors.torch
import torch
from support import WithNginx

README = os.path.join(os.path.dirname(__file__), "../../python/README.md")


class Readme(WithNginx):
    def test_examples(self):
        self.nginx.put("hello.bin", b"hello, device")
        self.nginx.put("tokens.bin", array.array("H", range(9)).tobytes())
        model = {"weight": torch.ones(2, 4, dtype=torch.bfloat16), "bias": torch.zeros(4)}
        self.nginx.put("model.safetensors", safetensors.torch.save(model))
        result = doctest.testfile(
            README, module_relative=False, globs={"SERVER": self.nginx.url("")[:-1]}
        )
        self.assertGreater(result.attempted, 10)
        self.assertEqual(result.failed, 0)
