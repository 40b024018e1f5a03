# SPDX-License-Identifier: MIT
"""Clients, and the functions that have one for each thread."""

from __future__ import annotations

import io
import os
import threading
from typing import Callable, Iterator, Mapping, Optional

from ._devrx import Buffer, Client as _Client

Progress = Callable[[int, int], object]

_LAST_QUEUE = 0xFFFFFFFF
_NIC_AREA = 64 << 20
_AREA = 16 << 20


def _lines(headers: Optional[Mapping[str, str]]) -> Optional[str]:
    """Headers as they go over the wire."""
    if not headers:
        return None
    for name, value in headers.items():
        if not name or any(c in name + value for c in "\r\n") or ":" in name:
            raise ValueError(f"{name!r}: {value!r} is no header")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _ms(seconds: Optional[float]) -> int:
    """Milliseconds, 0 for none; what is less than one is one."""
    if seconds is None:
        return 0
    if seconds <= 0:
        raise ValueError(f"{seconds} s is no time to wait")
    return max(1, min(int(seconds * 1000), 0xFFFFFFFF))


class Client:
    """Connections to servers, and memory of a device that their bytes land in.

    Args:
        device: where the bytes land, and where get() puts them: "cpu", "cuda:0",
            "udmabuf", "vulkan", ...
        nic: a NIC with zero-copy receive, made ready and given back; None: the
            kernel copies (tier "recv").
        queue: of that NIC; None: its last one.
        configure: False: change nothing of the NIC.
        tier: "zcrx-device", "zcrx-host", "recv", "zcrx-copy": had, or an error;
            None: the best there is.
        area: bytes of the memory that they land in.
        connections: how many, to one server at a time.
        request: bytes that one request asks for.
        retries: failures in a row, without a byte between them, that are mended.
        connect_timeout, idle_timeout: seconds.
        redirects: that are followed.
        headers: sent with each request, but not to where a redirect leads.

    A client is for the thread that made it. It is a context manager.
    """

    def __init__(
        self,
        device: str = "cpu",
        *,
        nic: Optional[str] = None,
        queue: Optional[int] = None,
        configure: bool = True,
        tier: Optional[str] = None,
        area: Optional[int] = None,
        connections: int = 4,
        request: int = 8 << 20,
        retries: int = 4,
        connect_timeout: float = 10,
        idle_timeout: float = 30,
        redirects: int = 8,
        headers: Optional[Mapping[str, str]] = None,
    ) -> None:
        self.device = device
        self._client = _Client(
            device,
            tier,
            nic,
            _LAST_QUEUE if queue is None else queue,
            configure,
            area or (_NIC_AREA if nic else _AREA),
            connections,
            retries,
            request,
            _ms(connect_timeout),
            _ms(idle_timeout),
            redirects,
            _lines(headers),
        )

    def head(self, url: str, *, deadline: Optional[float] = None) -> dict:
        """What is at a URL: "total" (bytes, or None), "etag", "ranges", "url", ..."""
        return self._client.head(url, _ms(deadline))

    def get(
        self,
        url: str,
        first: int = 0,
        length: Optional[int] = None,
        *,
        device: Optional[str] = None,
        deadline: Optional[float] = None,
        progress: Optional[Progress] = None,
    ) -> Buffer:
        """Bytes of a URL, in memory of the client's device, or of another.

        Without a length all from `first` on; then the server is asked first how
        many there are, and one that does not know is an error (give a length).
        progress(done, total) is called about ten times a second.

        Raises devrx.Error, or what progress() raised.
        """
        if length is None:
            total = self.head(url, deadline=deadline)["total"]
            if total is None:
                raise ValueError(f"{url}: its length is not known; give one")
            length = max(total - first, 0)
        return self._client.get(
            url, device or self.device, length, first, _ms(deadline), progress
        )[0]

    def into(
        self,
        buffer: Buffer,
        url: str,
        first: int = 0,
        length: Optional[int] = None,
        *,
        offset: int = 0,
        deadline: Optional[float] = None,
        progress: Optional[Progress] = None,
    ) -> dict:
        """Bytes of a URL into a buffer that is there; what became of it."""
        if length is None:
            length = buffer.nbytes - offset
        return self._client.into(
            url, buffer, offset, first, length, _ms(deadline), progress
        )

    def read(self, url: str, first: int, length: int) -> bytes:
        """A few bytes for the host: a header, an index."""
        return self.get(url, first, length, device="cpu").tobytes()

    def open(self, url: str, block: int = 8 << 20) -> "Stream":
        """A URL as a stream of blocks on the device."""
        return Stream(self, url, block)

    @property
    def tier(self) -> str:
        """How bytes get into memory: "zcrx-device", "recv", ..."""
        return self._client.tier

    @property
    def reason(self) -> str:
        """Why this tier, and no better one."""
        return self._client.reason

    def stats(self) -> dict:
        """Bytes received, and those of them that were copied on their way."""
        return self._client.stats()

    def close(self) -> None:
        """Close the connections and give the NIC back. Buffers stay."""
        self._client.close()

    @property
    def closed(self) -> bool:
        return self._client.closed

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Stream(io.RawIOBase):
    """A URL, block by block.

    Iterated it gives buffers on the client's device. As a file it is read by the
    host, which is for programs that want a file, not for bulk data.
    """

    def __init__(self, client: Client, url: str, block: int) -> None:
        super().__init__()
        if block < 1:
            raise ValueError("a block has at least one byte")
        self._client = client
        self._url = url
        self._block = block
        self._at = 0
        total = client.head(url)["total"]
        if total is None:
            raise ValueError(f"{url}: its length is not known")
        self.nbytes: int = total

    def blocks(self) -> Iterator[Buffer]:
        """What is left of it, as buffers on the device."""
        while self._at < self.nbytes:
            n = min(self._block, self.nbytes - self._at)
            buffer = self._client.get(self._url, self._at, n)
            self._at += n
            yield buffer

    def __iter__(self) -> Iterator[Buffer]:  # type: ignore[override]
        return self.blocks()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.nbytes}
        if whence not in base or base[whence] + offset < 0:
            raise ValueError(f"seek({offset}, {whence})")
        self._at = base[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, into) -> int:  # type: ignore[no-untyped-def, override]
        n = min(len(into), self._block, max(self.nbytes - self._at, 0))
        if n:
            into[:n] = self._client.read(self._url, self._at, n)
            self._at += n
        return n


_local = threading.local()


def _client(device: str, **options: object) -> Client:
    """This thread's client for these options; after a fork a new one."""
    key = (os.getpid(), device, repr(sorted(options.items())))
    clients = getattr(_local, "clients", None)
    if clients is None:
        clients = _local.clients = {}
    client = clients.get(key)
    if client is None or client.closed:
        client = clients[key] = Client(device, **options)  # type: ignore[arg-type]
    return client


def get(
    url: str,
    device: str = "cpu",
    *,
    first: int = 0,
    length: Optional[int] = None,
    deadline: Optional[float] = None,
    progress: Optional[Progress] = None,
    **options: object,
) -> Buffer:
    """Bytes of a URL in memory of a device: Client(device, **options).get(...).

    The client is kept, with its connections, for this thread's next call.
    """
    return _client(device, **options).get(
        url, first, length, deadline=deadline, progress=progress
    )


def head(url: str, **options: object) -> dict:
    """What is at a URL; see Client.head()."""
    return _client("cpu", **options).head(url)


def open(url: str, device: str = "cpu", *, block: int = 8 << 20, **options: object) -> Stream:
    """A URL as a stream of blocks on a device; see Stream."""
    return _client(device, **options).open(url, block)
