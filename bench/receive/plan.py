# SPDX-License-Identifier: MIT
"""What is measured: lines for the guest (see init)."""

OPPONENTS = ("floor", "raw-zcrx-4k", "recv-mapped", "recv-memcpy-1m", "epoll-recv-memcpy-64k",
             "multishot-memcpy", "tcp-zerocopy-receive", "devmem-tcp")
DEVICE = ("devrx-zcrx-device-4k", "devrx-zcrx-device-16k", "devrx-zcrx-device-64k")
OURS = DEVICE + ("devrx-zcrx-host-4k", "devrx-recv")
ALL = OPPONENTS + OURS

# Memory of the kind vram is a block that no CPU can map: device memory in software.
LARGE, SEGMENTS = (9000, "large"), (1500, "segments")


def line(link, connections, size, ways, memory="udmabuf"):
    return f"{link[0]} {link[1]} {connections} {size} {memory} {','.join(ways)}\n"


def quick():
    return line(LARGE, 1, "64M", ALL) + line(LARGE, 1, "64M", DEVICE, "vram")


def gate():
    """The rows of ours, and two that tell what else has changed."""
    ways = ("floor", "raw-zcrx-4k") + OURS
    return (line(LARGE, 1, "64M", ways) + line(LARGE, 1, "64M", DEVICE, "vram") +
            line(LARGE, 64, "64M", ways) + line(SEGMENTS, 1, "64M", ways))


def full():
    plan = ""
    for link in (LARGE, SEGMENTS):
        for connections in (1, 8, 64):
            plan += line(link, connections, "64M", ALL)
            plan += line(link, connections, "64M", DEVICE, "vram")
        if link == LARGE:
            plan += line(link, 1, "512M", ALL)
            plan += line(link, 1, "512M", DEVICE, "vram")
    return plan
