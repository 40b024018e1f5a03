# SPDX-License-Identifier: MIT
"""Plots of what ./run bench --json wrote: ./run bench --plot FILE.

For each MTU what each way costs, split into what sender and stack cost without any
receiver (the floor) and what comes on top; and for each way how its cost goes with the
number of connections. SVG and PNG.
"""
import argparse
import json
import os
import sys

try:
    import matplotlib
except ImportError:
    sys.exit("bench: python3-matplotlib is missing: apt install python3-matplotlib")
matplotlib.use("Agg")
# The same file from the same figures.
matplotlib.rcParams["svg.hashsalt"] = "devrx"
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.size"] = 9
import matplotlib.pyplot as plt  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OURS, RAW, THEIRS, FLOOR = "#1b7f5c", "#7a7a7a", "#c26a2d", "#d9d9d9"
LINES = ("floor", "raw-zcrx-4k", "devrx-zcrx-device-4k", "devrx-zcrx-device-64k", "devrx-recv",
         "recv-memcpy-1m", "epoll-recv-memcpy-64k", "devmem-tcp")


def value(row, which="median"):
    return row["instructions_per_mib"][which] / 1000


def colour(name):
    if name.startswith("devrx"):
        return OURS
    return RAW if name in ("floor", "raw-zcrx-4k") else THEIRS


def save(figure, to, name):
    for kind in ("svg", "png"):
        figure.savefig(os.path.join(to, f"{name}.{kind}"), dpi=144, bbox_inches="tight",
                       metadata={"Date": None} if kind == "svg" else {"Software": None})
    plt.close(figure)
    print(os.path.relpath(os.path.join(to, name + ".svg")))


def caption(result):
    return f"Linux {result['kernel']}, QEMU {result['qemu']}, softnic, " \
           f"{len(result['seeds'])} seeds; without the NIC's copy"


def bars(result, mtu, to):
    """What each way costs with one connection, the dearest at the top."""
    rows = [row for row in result["rows"]
            if row["mtu"] == mtu and row["connections"] == 1 and row["bytes"] == 64 << 20]
    if not rows:
        return
    rows.sort(key=value)
    floor = next(value(row) for row in rows if row["name"] == "floor")
    figure, axes = plt.subplots(figsize=(8, 0.32 * len(rows) + 1))
    for at, row in enumerate(rows):
        below = row["name"].startswith("devrx") and value(row) < floor
        axes.barh(at, min(value(row), floor), color=OURS if below else FLOOR,
                  alpha=0.6 if below else 1)
        if value(row) > floor:
            axes.barh(at, value(row) - floor, left=floor, color=colour(row["name"]))
        axes.plot([value(row, "min"), value(row, "max")], [at, at], color="black", linewidth=1)
        axes.text(max(value(row, "max"), floor), at,
                  f"  {value(row):,.0f}k ({value(row) - floor:+,.0f}k)", va="center")
    axes.axvline(floor, color="black", linewidth=0.6, linestyle=":")
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.set_xlim(0, max(value(row) for row in rows) * 1.25)
    axes.set_xlabel("thousands of instructions per MiB, the whole machine; grey: up to the floor")
    axes.set_title(f"MTU {mtu} ({rows[0]['stream']}), one connection, 64 MiB", loc="left")
    figure.text(0.99, -0.02, caption(result), ha="right", fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, to, f"receive-{mtu}")


def lines(result, to):
    """Cost against connections."""
    figure, axes = plt.subplots(figsize=(8, 4))
    ends = []
    for name in LINES:
        points = sorted((row["connections"], value(row)) for row in result["rows"]
                        if row["name"] == name and row["stream"] == "large" and
                        row["bytes"] == 64 << 20)
        if len(points) < 2:
            continue
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", markersize=3,
                  color=colour(name), label=name)
        ends.append((points[-1], name))
    if not axes.lines:
        plt.close(figure)
        return
    lowest = 0
    for (x, y), name in sorted(ends, key=lambda end: end[0][1]):
        lowest = max(y, lowest + 40)  # names do not lie on each other
        axes.annotate(name, (x, lowest), xytext=(6, -3), textcoords="offset points", fontsize=8)
    axes.set_xscale("log", base=2)
    counts = sorted({row["connections"] for row in result["rows"]})
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlim(counts[0] * 0.9, counts[-1] * 5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("connections")
    axes.set_ylabel("thousands of instructions per MiB")
    axes.set_title("Cost against connections, large packets", loc="left")
    figure.text(0.99, -0.02, caption(result), ha="right", fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, to, "connections")


def main():
    parser = argparse.ArgumentParser(prog="./run bench --plot", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", metavar="FILE", required=True, help="of ./run bench --json")
    parser.add_argument("--to", metavar="DIR", default=os.path.join(TOP, "docs/performance"),
                        help="where to (default: docs/performance)")
    options = parser.parse_args()
    try:
        with open(options.plot) as file:
            result = json.load(file)
        rows = result["rows"]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"bench: {options.plot} is no result of ./run bench --json: {error}")
    os.makedirs(options.to, exist_ok=True)
    for mtu in sorted({row["mtu"] for row in rows}, reverse=True):
        bars(result, mtu, options.to)
    lines(result, options.to)
    return 0


if __name__ == "__main__":
    sys.exit(main())
