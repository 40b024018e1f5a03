# SPDX-License-Identifier: MIT
"""safetensors files from URLs: one buffer for each file, and tensors that are views of it."""

from __future__ import annotations

import json
import struct
from typing import Any, Dict, Iterable, Mapping, Tuple, Union

from ._devrx import Buffer
from .client import Client, _client

# What the format allows of a header, and what of one is read at first.
_HEADER_MAX = 100_000_000
_FIRST = 64 << 10

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip

_TORCH = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16",
    "I32": "int32", "U32": "uint32", "I64": "int64", "U64": "uint64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn", "C64": "complex64",
}  # fmt: skip

_NUMPY = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "I32": "<i4",
    "U32": "<u4", "I64": "<i8", "U64": "<u8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
    "C64": "<c8",
}  # fmt: skip

Entry = Tuple[str, Tuple[int, ...], int, int]


def parse_header(text: bytes, data: int) -> Tuple[Dict[str, Entry], Dict[str, str]]:
    """The header's tensors (type, shape, first and last byte) and its metadata.

    `data` is how many bytes of data the file has. Whatever the format forbids is a
    ValueError: a tensor beyond the data, two that overlap, bytes that are none's, a
    length that is not the shape's.
    """
    try:
        header = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError) as e:
        raise ValueError(f"the header is no JSON: {e}") from None
    if not isinstance(header, dict):
        raise ValueError("the header is no object")
    metadata = header.pop("__metadata__", {})
    tensors: Dict[str, Entry] = {}
    for name, entry in header.items():
        try:
            kind, shape = entry["dtype"], tuple(entry["shape"])
            begin, end = entry["data_offsets"]
            bits = _BITS[kind]
            elements = 1
            for n in shape:
                if type(n) is not int or n < 0:
                    raise ValueError
                elements *= n
            if type(begin) is not int or type(end) is not int:
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"tensor {name!r}: {entry!r} is not understood") from None
        if not 0 <= begin <= end <= data or (end - begin) * 8 != elements * bits:
            raise ValueError(f"tensor {name!r}: bytes {begin} to {end} are not its own")
        tensors[name] = (kind, shape, begin, end)
    at = 0
    for name, (_, _, begin, end) in sorted(tensors.items(), key=lambda t: t[1][2:]):
        if begin != at:
            raise ValueError(f"tensor {name!r} begins at {begin}, and not at {at}")
        at = end
    if at != data:
        raise ValueError(f"{data - at} bytes belong to no tensor")
    return tensors, metadata


def read_header(client: Client, url: str) -> Tuple[Dict[str, Entry], Dict[str, str], int]:
    """Tensors, metadata, and where the data begins."""
    total = client.head(url)["total"]
    if total is None:
        raise ValueError(f"{url}: its length is not known")
    text = client.read(url, 0, min(total, _FIRST)) if total >= 8 else b""
    if len(text) < 8:
        raise ValueError(f"{url}: {total} bytes are no safetensors file")
    (n,) = struct.unpack("<Q", text[:8])
    if n > _HEADER_MAX or 8 + n > total:
        raise ValueError(f"{url}: a header of {n} bytes, in a file of {total}")
    if 8 + n > len(text):
        text += client.read(url, len(text), 8 + n - len(text))
    try:
        tensors, metadata = parse_header(text[8 : 8 + n], total - 8 - n)
    except ValueError as e:
        raise ValueError(f"{url}: {e}") from None
    return tensors, metadata, 8 + n


def _as_torch(buffer: Buffer, tensors: Mapping[str, Entry]) -> Dict[str, Any]:
    import torch

    if not buffer.nbytes:
        flat = torch.empty(0, dtype=torch.uint8)
    else:
        flat = torch.from_dlpack(buffer)
    out = {}
    for name, (kind, shape, begin, end) in tensors.items():
        dtype = getattr(torch, _TORCH[kind], None)
        if dtype is None:
            raise TypeError(f"tensor {name!r}: this torch has no {_TORCH[kind]}")
        part = flat[begin:end]
        # A file need not align its tensors; torch wants it.
        if begin % max(_BITS[kind] // 8, 1):
            part = part.clone()
        out[name] = part.view(dtype).reshape(shape)
    return out


def _as_numpy(buffer: Buffer, tensors: Mapping[str, Entry]) -> Dict[str, Any]:
    import numpy

    flat = numpy.frombuffer(buffer, dtype="u1") if buffer.nbytes else numpy.empty(0, "u1")
    out = {}
    for name, (kind, shape, begin, end) in tensors.items():
        if kind not in _NUMPY:
            raise TypeError(f"tensor {name!r}: numpy has no {kind}")
        part = flat[begin:end]
        if begin % max(_BITS[kind] // 8, 1):
            part = part.copy()
        out[name] = part.view(_NUMPY[kind]).reshape(shape)
    return out


def load_safetensors(
    urls: Union[str, Iterable[str]],
    device: str = "cpu",
    *,
    framework: str = "torch",
    client: Union[Client, None] = None,
    **options: Any,
) -> Dict[str, Any]:
    """The tensors of one safetensors file, or of several, by their names.

    The data of each file lands in one buffer on the device, and the tensors are views
    of it: nothing is copied but a tensor that the file does not align. The headers are
    read by the host, and checked as the format has it.

    Args:
        urls: of the files. A name that two of them have is a ValueError.
        device: as in Client.
        framework: "torch", or "numpy" where the CPU has the memory.
        client: whose connections are used; None: this thread's for `options`.
    """
    as_tensors = {"torch": _as_torch, "numpy": _as_numpy}.get(framework)
    if as_tensors is None:
        raise ValueError(f"framework {framework!r}: torch or numpy")
    own = client or _client(device, **options)
    out: Dict[str, Any] = {}
    for url in [urls] if isinstance(urls, str) else urls:
        tensors, _, begin = read_header(own, url)
        twice = out.keys() & tensors.keys()
        if twice:
            raise ValueError(f"{url}: {min(twice)!r} is in another file, too")
        data = max((entry[3] for entry in tensors.values()), default=0)
        out.update(as_tensors(own.get(url, begin, data, device=device), tensors))
    return out
