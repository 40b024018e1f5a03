# SPDX-License-Identifier: MIT
"""One archive with all that a measurement runs, and nothing else.

Where the guest reads from the host, over 9p say, the host's timing gets into what it
does. So the counting VM has no disk and no share: kernel and archive are all its input,
and the same bytes give the same count. Files are stripped, have no times and no
owners, and stand in the order of their names.
"""
import os
import re
import stat
import subprocess
import tempfile

LIB_DIRS = ("usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib")


def needed(path):
    """The libraries that an ELF file names, its loader included."""
    out = subprocess.run(["readelf", "-dl", path], capture_output=True, text=True,
                         check=True).stdout
    names = re.findall(r"\(NEEDED\).*\[(.+?)\]", out)
    loader = re.search(r"interpreter: (\S+?)\]", out)
    return names + ([os.path.basename(loader[1])] if loader else [])


def find_library(root, name):
    for directory in LIB_DIRS:
        path = os.path.join(root, directory, name)
        if os.path.exists(path):
            return path
    raise FileNotFoundError(f"{name} is in none of {', '.join(LIB_DIRS)} of {root}")


def with_libraries(root, programs):
    """{place in the guest: file on the host} of programs and what they load."""
    files = dict(programs)
    todo = list(programs.values())
    while todo:
        for name in needed(todo.pop()):
            place = f"usr/lib64/{name}"
            if place not in files:
                files[place] = find_library(root, name)
                todo.append(files[place])
    return files


def stripped(path):
    """The bytes of an ELF file without what differs from one build tree to another."""
    with tempfile.NamedTemporaryFile() as to:
        # A module's symbols are needed to load it.
        how = "--strip-debug" if path.endswith(".ko") else "--strip-all"
        subprocess.run(["strip", how, "--remove-section=.note.gnu.build-id", "-o", to.name,
                        path], check=True)
        with open(to.name, "rb") as file:
            return file.read()


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    return stripped(path) if data[:4] == b"\x7fELF" else data


def entry(inode, name, mode, data):
    """One file of a "newc" archive: linux/Documentation/driver-api/early-userspace."""
    path = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def make(to, files, links, directories):
    """Write the archive. files: {place: path, or bytes}; links: {place: target}."""
    nodes = {name: (stat.S_IFDIR | 0o755, b"") for name in directories}
    for place in list(files) + list(links):
        parent = os.path.dirname(place)
        while parent:
            nodes[parent] = (stat.S_IFDIR | 0o755, b"")
            parent = os.path.dirname(parent)
    for place, source in files.items():
        data = source if isinstance(source, bytes) else read(source)
        nodes[place] = (stat.S_IFREG | 0o755, data)
    for place, target in links.items():
        nodes[place] = (stat.S_IFLNK | 0o777, target.encode())
    with open(to + ".new", "wb") as out:
        for inode, (place, (mode, data)) in enumerate(sorted(nodes.items()), 1):
            out.write(entry(inode, place, mode, data))
        out.write(entry(0, "TRAILER!!!", 0, b""))
    os.rename(to + ".new", to)
