# SPDX-License-Identifier: MIT
"""make_file.py DIR: a safetensors file of 128 MiB, and what its package reads of it.

DIR/model.safetensors has 160 tensors of ten types; DIR/model.json has the type, shape
and SHA-256 of each, as the safetensors package loads it from disk.
"""

import hashlib
import json
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

TYPES = [
    torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int8,
    torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool,
]  # fmt: skip

path = sys.argv[1] + "/model.safetensors"
torch.manual_seed(7)
tensors = {}
for i in range(160):
    dtype = TYPES[i % len(TYPES)]
    size = torch.empty(0, dtype=dtype).element_size()
    rows = 1 + i * 37 % 211
    # Some are small and odd, the rest makes up the length.
    columns = (1 << 20) // size // rows if i % 8 else 3
    noise = torch.randint(0, 256, (rows * columns * size,), dtype=torch.uint8)
    if dtype == torch.bool:
        noise &= 1
    tensors[f"model.layers.{i}.weight"] = noise.view(dtype).reshape(rows, columns)
save_file(tensors, path)

expected = {}
with safe_open(path, "pt") as f:
    for name in f.keys():
        tensor = f.get_tensor(name)
        raw = tensor.contiguous().view(torch.uint8) if tensor.dtype != torch.bool else tensor
        expected[name] = [
            str(tensor.dtype).split(".")[1],
            list(tensor.shape),
            hashlib.sha256(raw.numpy().tobytes()).hexdigest(),
        ]
with open(sys.argv[1] + "/model.json", "w") as f:
    json.dump(expected, f)
