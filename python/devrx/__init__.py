# SPDX-License-Identifier: MIT
"""Bytes of the network, straight into device memory.

    import devrx, torch
    buffer = devrx.get("http://host/data.bin", device="cuda")
    tensor = torch.from_dlpack(buffer)
    tensors = devrx.load_safetensors("http://host/model.safetensors", device="cuda")

A device is a kind of memory, with a device's name behind a colon where the kind has
several: "cpu", "cuda", "cuda:1", "udmabuf", "vulkan". `devrx info` lists the kinds.

Where the bytes come by a NIC with zero-copy receive, say which: nic="eth0". Without,
the kernel copies them, and everything else is the same.
"""

from ._devrx import Buffer, Error, version as __version__
from .client import Client, get, head, open
from .safetensors import load_safetensors

__all__ = [
    "Buffer",
    "Client",
    "Error",
    "get",
    "head",
    "load_safetensors",
    "open",
]
