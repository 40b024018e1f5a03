# SPDX-License-Identifier: MIT
"""For WebDataset: shards by devrx instead of by curl.

    import devrx.webdataset, webdataset
    devrx.webdataset.register()
    dataset = webdataset.WebDataset("http://host/{000..099}.tar")

WebDataset takes a tar apart on the host, so the bytes visit it: what is won is ranges
over several connections, and going on where a connection broke.
"""

from __future__ import annotations

import importlib
import io
from typing import Any

from .client import open as _open


def gopen(url: str, mode: str = "rb", bufsize: int = 8 << 20, **options: Any) -> io.BufferedReader:
    """A URL as a file to read, as webdataset.gopen wants it."""
    if mode not in ("r", "rb"):
        raise ValueError(f"mode {mode!r}: URLs can be read only")
    block = max(bufsize, 1 << 20)
    return io.BufferedReader(_open(url, block=block, **options), block)


def register(**options: Any) -> None:
    """Let WebDataset open http URLs so, with these options of devrx.Client."""
    # The package has a function of that name in the module's place.
    wds = importlib.import_module("webdataset.gopen")

    def opener(url: str, mode: str = "rb", bufsize: int = 8 << 20, **unused: Any) -> Any:
        return gopen(url, mode, max(bufsize, 8 << 20), **options)

    wds.gopen_schemes["http"] = opener
