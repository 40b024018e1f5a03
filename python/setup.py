# SPDX-License-Identifier: MIT
"""The extension, linked against the libdevrx that pkg-config finds.

Where its static library is beside it, that is linked in, so that the wheel needs no
libdevrx.so. `./run wheel` in the repository's root builds library and wheel.
"""

import os
import re
import shlex
import subprocess
import sys

from setuptools import Extension, setup


def pkg_config(*args):
    """What pkg-config prints, as words."""
    try:
        out = subprocess.run(
            ["pkg-config", *args], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as e:
        sys.exit(
            f"devrx: pkg-config {' '.join(args)} failed: {getattr(e, 'stderr', e)}\n"
            "next: build and install the library first, or run ./run wheel in its repository"
        )
    return shlex.split(out)


libdir = pkg_config("--variable=libdir", "devrx")[0]
archive = os.path.join(libdir, "libdevrx.a")
if os.path.exists(archive):
    link = {
        "extra_objects": [archive],
        "extra_link_args": pkg_config("--libs", "liburing", "libmnl"),
    }
else:
    link = {"extra_link_args": pkg_config("--libs", "devrx")}

version = re.search(r"[\d.]+", pkg_config("--modversion", "devrx")[0]).group()
sources = ["module", "error", "place", "buffer", "client"]
setup(
    version=version,
    ext_modules=[
        Extension(
            "devrx._devrx",
            [f"src/{name}.c" for name in sources],
            depends=["src/devrx_python.h", "src/dlpack.h"],
            extra_compile_args=pkg_config("--cflags", "devrx")
            + ["-std=gnu17", "-fvisibility=hidden", "-Wall", "-Wextra"]
            + ["-Wno-missing-field-initializers", "-Wno-cast-function-type"],
            py_limited_api=True,
            **link,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
