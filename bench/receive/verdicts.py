# SPDX-License-Identifier: MIT
"""What devrx claims of its cost, held against the rows. docs/performance.md says why."""
from .rows import KEY, cost

ABOVE_RAW = 12000
TIMES_RECV, TIMES_EPOLL = 5.5, 8.5
FLAT = 1.05


def table(rows):
    return {tuple(row[member] for member in KEY): row for row in rows}


def verdicts(rows):
    """[(met, sentence)]; only what was measured is judged."""
    found, said = table(rows), []

    def get(name, mtu, connections, size):
        row = found.get((name, mtu, connections, size))
        return cost(row) if row else None

    def say(met, sentence):
        said.append((met, sentence))

    # What a chunk costs shows where packets fill chunks: large ones.
    points = sorted({(row["mtu"], row["connections"], row["bytes"]) for row in rows
                     if row["stream"] == "large"})
    for point in points:
        where = f"MTU {point[0]}, {point[1]} connection(s), {point[2] >> 20} MiB"
        floor, raw, device = (get(name, *point) for name in
                              ("floor", "raw-zcrx-4k", "devrx-zcrx-device-4k"))
        if device and raw:
            say(device - raw <= ABOVE_RAW,
                f"{where}: devrx-zcrx-device-4k {device - raw:+,} above raw-zcrx-4k, "
                f"at most {ABOVE_RAW:,}")
        for name, least in (("recv-memcpy-1m", TIMES_RECV),
                            ("epoll-recv-memcpy-64k", TIMES_EPOLL)):
            other = get(name, *point)
            if device and floor and other:
                times = (other - floor) / max(1, device - floor)
                say(times >= least, f"{where}: above the floor {name} costs {times:.1f} times "
                    f"as much as devrx-zcrx-device-4k, at least {least}")
        large = get("devrx-zcrx-device-64k", *point)
        if large and floor:
            say(large < floor, f"{where}: devrx-zcrx-device-64k {large:,}, below the floor "
                f"{floor:,}")
    groups = {}
    for row in rows:
        if row["name"].startswith("devrx"):
            groups.setdefault((row["name"], row["mtu"]), []).append(cost(row))
    for (name, mtu), costs in groups.items():
        if len(costs) > 1:
            ratio = max(costs) / min(costs)
            say(ratio <= FLAT, f"MTU {mtu}: {name} flat over connections and lengths: "
                f"{ratio:.3f}, at most {FLAT}")
    return said
