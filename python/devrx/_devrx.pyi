# SPDX-License-Identifier: MIT
from typing import Any, Callable, Optional, Tuple

version: str

class Error(OSError):
    id: str
    text: str
    next: str

class Buffer:
    @property
    def nbytes(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def device_address(self) -> int: ...
    @property
    def placement(self) -> str: ...
    @property
    def proof(self) -> str: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __dlpack__(
        self,
        *,
        stream: Optional[Any] = None,
        max_version: Optional[Tuple[int, int]] = None,
        dl_device: Optional[Tuple[int, int]] = None,
        copy: Optional[bool] = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> Tuple[int, int]: ...
    def tobytes(self, offset: int = 0, length: int = ...) -> bytes: ...

class Client:
    tier: str
    reason: str
    closed: bool
    def __init__(
        self,
        device: str,
        tier: Optional[str],
        nic: Optional[str],
        queue: int,
        configure: bool,
        area: int,
        connections: int,
        retries: int,
        request: int,
        connect_timeout_ms: int,
        idle_timeout_ms: int,
        redirects: int,
        headers: Optional[str],
    ) -> None: ...
    def head(self, url: str, deadline_ms: int, /) -> dict[str, Any]: ...
    def get(
        self,
        url: str,
        device: str,
        length: int,
        first: int,
        deadline_ms: int,
        progress: Optional[Callable[[int, int], object]],
        /,
    ) -> Tuple[Buffer, Optional[dict[str, Any]]]: ...
    def into(
        self,
        url: str,
        buffer: Buffer,
        offset: int,
        first: int,
        length: int,
        deadline_ms: int,
        progress: Optional[Callable[[int, int], object]],
        /,
    ) -> dict[str, Any]: ...
    def stats(self) -> dict[str, int]: ...
    def close(self) -> None: ...
