# SPDX-License-Identifier: MIT
"""From what devrx bench said in each boot to rows: minimum, median, maximum of the seeds."""
import statistics

MIB = 1 << 20
# For each row; a name may be measured with several kinds of memory.
KEY = ("name", "mtu", "connections", "bytes")


def key_of(row):
    return tuple(row[member] for member in KEY)


def sample(mtu, stream, said):
    """One measurement, without the NIC's own copy, which stands for DMA."""
    mib = said["bytes"] / MIB
    name = said["name"]
    if said["memory"] == "vram":
        name += "-vram"
    return {
        "name": name,
        "mtu": mtu,
        "stream": stream,
        "connections": said["connections"],
        "bytes": said["bytes"],
        "memory": said["memory"],
        "instructions": (said["ns"] - said["nic_copy_ns"]) / mib,
        "nic_copy": said["nic_copy_ns"] / mib,
        "events": said["events_per_mib"],
        "syscalls": said["syscalls_per_mib"],
        "acks": said["acks_per_mib"],
        "placed": said["nic_placed_bytes"] / said["bytes"],
        "idle": said["idle_calls"],
    }


def collect(boots):
    """boots: for each seed what Boot.finish() gave. (rows, complaints)"""
    groups, complaints = {}, []
    for seed, said in boots:
        for mtu, stream, report in said:
            for one in report["rows"]:
                if "skipped" in one:
                    complaints.append(f"{one['name']}: {one['skipped']}")
                    continue
                it = sample(mtu, stream, one)
                if it["idle"]:
                    # The clock ran on, and counted nothing.
                    complaints.append(f"seed {seed}, {it['name']}: the CPU was idle "
                                      f"{it['idle']} time(s), left out")
                    continue
                if "zcrx-device" in it["name"] and it["placed"] < 0.99:
                    complaints.append(f"seed {seed}, {it['name']}: the NIC put only "
                                      f"{it['placed']:.0%} into the memory")
                groups.setdefault(key_of(it), []).append(it)
    return [row_of(group) for group in groups.values()], complaints


def row_of(group):
    first = group[0]
    values = sorted(it["instructions"] for it in group)

    def median(member):
        known = [it[member] for it in group if it[member] is not None]
        return round(statistics.median(known), 4) if known else None

    return {
        **{member: first[member] for member in KEY},
        "stream": first["stream"],
        "memory": first["memory"],
        "seeds": len(group),
        "instructions_per_mib": {
            "min": round(values[0]),
            "median": round(statistics.median(values)),
            "max": round(values[-1]),
        },
        "nic_copy_per_mib": round(median("nic_copy")),
        "events_per_mib": median("events"),
        "syscalls_per_mib": median("syscalls"),
        "acks_per_mib": median("acks"),
    }


def cost(row):
    return row["instructions_per_mib"]["median"]
