# SPDX-License-Identifier: MIT
"""Shards of tokens over HTTP, for a training loop.

    dataset = devrx.torch.ShardStream(urls, length=1024, device="cuda", dtype="uint16")
    for tokens in torch.utils.data.DataLoader(dataset, batch_size=None):
        ...                       # int64, on the device, length + 1 of them

Each sample comes once in an epoch, over all ranks of torch.distributed and all workers
of a DataLoader together: each of them gets an equal part of each shard, as a range of
it, so it takes no more shards than one to keep them all busy.
"""

from __future__ import annotations

import ast
import queue
import random
import struct
import threading
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch
from torch.utils.data import IterableDataset, get_worker_info

from ._devrx import Buffer
from .client import Client
from .safetensors import _BITS, _TORCH, read_header

__all__ = ["ShardStream"]

_BYTES = {"uint8": 1, "uint16": 2, "uint32": 4, "int32": 4, "int64": 8}
_NPY = {"u1": "uint8", "u2": "uint16", "u4": "uint32", "i4": "int32", "i8": "int64"}


def _npy(client: Client, url: str) -> Tuple[int, str, int]:
    """Of a .npy file with one dimension: where its data begins, type, elements."""
    total = client.head(url)["total"]
    if total is None:
        raise ValueError(f"{url}: its length is not known")
    text = client.read(url, 0, 12) if total >= 12 else b""
    if text[:6] != b"\x93NUMPY":
        raise ValueError(f"{url}: no .npy file")
    wide = text[6] > 1
    n = struct.unpack("<I", text[8:12])[0] if wide else struct.unpack("<H", text[8:10])[0]
    begin = (12 if wide else 10) + n
    if n > 1 << 20 or begin > total:
        raise ValueError(f"{url}: a header of {n} bytes")
    try:
        header = ast.literal_eval(client.read(url, begin - n, n).decode("latin1"))
        kind, (elements,) = header["descr"], header["shape"]
        dtype = _NPY[kind.lstrip("<|")]
    except (KeyError, TypeError, ValueError, SyntaxError):
        raise ValueError(f"{url}: not one dimension of little-endian integers") from None
    return begin, dtype, elements


def _to_int64(flat: "torch.Tensor", dtype: str) -> "torch.Tensor":
    """Tokens as indices, on the device; bytes are taken as little-endian."""
    if dtype == "uint8":
        return flat.to(torch.int64)
    if dtype == "uint16":  # older releases of torch have no such type
        return flat.view(torch.int16).to(torch.int64) & 0xFFFF
    if dtype == "uint32":
        return flat.view(torch.int32).to(torch.int64) & 0xFFFFFFFF
    return flat.view(getattr(torch, dtype)).to(torch.int64)


class _Stopped(Exception):
    """Nobody takes what is being fetched."""


class ShardStream(IterableDataset):
    """Samples of `length + 1` tokens each (inputs and targets overlap), as int64.

    Args:
        urls: of the shards: .npy files of one dimension, safetensors files (`tensor`
            names the one with the tokens), or else bare tokens of `dtype`.
        length: of a sample. A shard's last tokens, too few for one, are left out.
        dtype: "uint8", "uint16", "uint32", "int32" or "int64", for bare tokens.
        tensor: in safetensors files; None: the only one that they have.
        device: where samples are; see Client.
        shuffle: the order of the shards is another one in each epoch.
        seed: of that order.
        block: bytes that are fetched at a time.
        prefetch: how many blocks ahead.
        rank, world: who of how many; None: as torch.distributed says.
        options: of Client.

    set_epoch() begins another epoch. state_dict() says how far this process is;
    load_state_dict() goes on there, in an equal process of an equal number of them.
    In a DataLoader with workers each worker has a state of its own, which only a
    loader that asks them (torchdata's StatefulDataLoader) can save.
    """

    def __init__(
        self,
        urls: Sequence[str],
        length: int,
        *,
        dtype: str = "uint16",
        tensor: Optional[str] = None,
        device: str = "cpu",
        shuffle: bool = True,
        seed: int = 0,
        block: int = 8 << 20,
        prefetch: int = 2,
        rank: Optional[int] = None,
        world: Optional[int] = None,
        **options: Any,
    ) -> None:
        if dtype not in _BYTES:
            raise ValueError(f"dtype {dtype!r}: one of {', '.join(_BYTES)}")
        if length < 1 or prefetch < 1 or block < 1:
            raise ValueError("length, block and prefetch are at least 1")
        self.urls: List[str] = list(urls)
        self.length = length
        self.dtype = dtype
        self.tensor = tensor
        self.device = device
        self.shuffle = shuffle
        self.seed = seed
        self.block = block
        self.prefetch = prefetch
        self._rank, self._world = rank, world
        self._options = options
        self._epoch = 0
        self._shard = 0  # position in the epoch's order
        self._sample = 0  # of this part of it

    # ---- who gets what ----

    def _part(self) -> Tuple[int, int]:
        """Which part of each shard is this process's, of how many."""
        rank, world = self._rank, self._world
        if rank is None or world is None:
            ready = torch.distributed.is_available() and torch.distributed.is_initialized()
            rank = torch.distributed.get_rank() if ready else 0
            world = torch.distributed.get_world_size() if ready else 1
        worker = get_worker_info()
        if worker is None:
            return rank, world
        return rank * worker.num_workers + worker.id, world * worker.num_workers

    def _order(self) -> List[int]:
        order = list(range(len(self.urls)))
        if self.shuffle:
            random.Random(f"{self.seed} {self._epoch}").shuffle(order)
        return order

    def set_epoch(self, epoch: int) -> None:
        """Begin this epoch; call it on each rank."""
        self._epoch, self._shard, self._sample = epoch, 0, 0

    # ---- state ----

    def state_dict(self) -> Dict[str, Any]:
        """How far it is: behind the last sample that was handed out."""
        part, parts = self._part()
        return {
            "epoch": self._epoch,
            "shard": self._shard,
            "sample": self._sample,
            "part": part,
            "parts": parts,
            "urls": len(self.urls),
            "length": self.length,
            "seed": self.seed,
            "shuffle": self.shuffle,
        }

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Go on where that one was; ValueError where it was of another stream."""
        now = self.state_dict()
        for key in ("part", "parts", "urls", "length", "seed", "shuffle"):
            if state[key] != now[key]:
                raise ValueError(f"the state is of {key} {state[key]}, this is {now[key]}")
        self._epoch, self._shard, self._sample = state["epoch"], state["shard"], state["sample"]

    # ---- fetching, in a thread of its own ----

    def _find(self, client: Client, url: str) -> Tuple[int, str, int]:
        """Where a shard's tokens begin, their type, and how many there are."""
        path = url.split("?")[0]
        if path.endswith(".npy"):
            return _npy(client, url)
        if path.endswith(".safetensors"):
            tensors, _, begin = read_header(client, url)
            name = self.tensor
            if name is None and len(tensors) == 1:
                (name,) = tensors
            if name not in tensors:
                raise ValueError(f"{url}: which tensor? there are {', '.join(tensors)}")
            kind, shape, first, _ = tensors[name]
            dtype = _TORCH[kind]
            if len(shape) != 1 or dtype not in _BYTES:
                raise ValueError(f"{url}: {name!r} is not one dimension of integers")
            return begin + first, dtype, shape[0]
        total = client.head(url)["total"]
        if total is None:
            raise ValueError(f"{url}: its length is not known")
        return 0, self.dtype, total // _BYTES[self.dtype]

    def _blocks(
        self, client: Client, stop: threading.Event, part: int, parts: int
    ) -> Iterator[Tuple[int, int, int, str, Buffer]]:
        """From where it is: shard, first sample, how many, type, bytes of them."""

        def progress(done: int, total: int) -> None:
            if stop.is_set():
                raise _Stopped

        order = self._order()
        sample = self._sample
        for position in range(self._shard, len(order)):
            url = self.urls[order[position]]
            begin, dtype, tokens = self._find(client, url)
            size = _BYTES[dtype]
            # One token more than its length: the last target.
            samples = max(tokens - 1, 0) // self.length
            mine = range(samples * part // parts, samples * (part + 1) // parts)
            step = max(1, self.block // (self.length * size))
            for i in range(sample, len(mine), step):
                n = min(step, len(mine) - i)
                first = begin + mine[i] * self.length * size
                nbytes = (n * self.length + 1) * size
                yield position, i, n, dtype, client.get(
                    url, first, nbytes, progress=progress
                )
            sample = 0

    def _fetch(self, out: "queue.Queue", stop: threading.Event, part: int, parts: int) -> None:
        def put(item: Any) -> bool:
            while not stop.is_set():
                try:
                    out.put(item, timeout=0.1)
                    return True
                except queue.Full:
                    pass
            return False

        try:
            with Client(self.device, **self._options) as client:
                for block in self._blocks(client, stop, part, parts):
                    if not put(block):
                        return
            put(None)
        except _Stopped:
            pass
        except BaseException as e:  # noqa: B902 - raised where the samples are taken
            put(e)

    def __iter__(self) -> Iterator["torch.Tensor"]:
        blocks: "queue.Queue" = queue.Queue(self.prefetch)
        stop = threading.Event()
        thread = threading.Thread(
            target=self._fetch, args=(blocks, stop, *self._part()), daemon=True
        )
        thread.start()
        try:
            while True:
                block = blocks.get()
                if block is None:
                    break
                if isinstance(block, BaseException):
                    raise block
                position, first, n, dtype, buffer = block
                tokens = _to_int64(torch.from_dlpack(buffer), dtype)
                for i in range(n):
                    # Before it is handed out: a state saved then is behind it.
                    self._shard, self._sample = position, first + i + 1
                    yield tokens[i * self.length : (i + 1) * self.length + 1]
        finally:
            stop.set()
            thread.join()
        # The epoch is over, and the next one begins at its start.
        self._epoch, self._shard, self._sample = self._epoch + 1, 0, 0
