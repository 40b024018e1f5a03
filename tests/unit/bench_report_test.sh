#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What ./run bench makes of counts: rows, claims, and the gate, which is told of growth.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../bench" || exit 1
if ! [[ -x /usr/bin/python3 ]]; then
	echo "skip bench-report: python3 is missing"
	exit 0
fi
exec /usr/bin/python3 -B - <<'END'
import copy
import json
import sys
import tempfile

sys.path.insert(0, ".")
from receive import gate, initrd, verdicts
from receive.rows import collect

failed = 0


def result(name, ok):
    global failed
    failed += not ok
    print(("ok " if ok else "not ok ") + name)


def said(name, ns, **more):
    one = {"name": name, "memory": "udmabuf", "connections": 1, "bytes": 4 << 20, "ns": ns,
           "nic_copy_ns": 400000, "events_per_mib": 260, "syscalls_per_mib": 2,
           "acks_per_mib": 2, "nic_placed_bytes": 4 << 20, "idle_calls": 0}
    return {**one, **more}


def boots(*samples):
    return [(seed, [(9000, "large", {"rows": [one]})]) for seed, one in enumerate(samples)]


rows, complaints = collect(boots(*[said("floor", ns) for ns in (5200000, 4400000, 4800000)]))
result("minimum, median, maximum, without the NIC's copy",
       rows[0]["instructions_per_mib"] == {"min": 1000000, "median": 1100000, "max": 1200000}
       and rows[0]["nic_copy_per_mib"] == 100000 and not complaints)
rows, complaints = collect(boots(said("floor", 1), said("floor", 2, idle_calls=1)))
result("a count with idle time in it is left out", rows[0]["seeds"] == 1 and len(complaints) == 1)
_, complaints = collect(boots(said("devrx-zcrx-device-4k", 1, nic_placed_bytes=1 << 20)))
result("bytes that are not in the memory are noticed", "25%" in complaints[0])
rows, _ = collect(boots(said("devrx-zcrx-device-4k", 1, memory="vram")))
result("vram has rows of its own", rows[0]["name"] == "devrx-zcrx-device-4k-vram")


def measured(**costs):
    rows = []
    for name, cost in costs.items():
        one, _ = collect(boots(said(name.replace("_", "-"), 4 * cost + 400000)))
        rows += one
    return {"date": "2026-01-01", "kernel": "7", "qemu": "7", "compiler": "12", "input": "a",
            "rows": rows}


def check(now, then):
    with tempfile.NamedTemporaryFile("w+") as file:
        old, gate.PATH = gate.PATH, file.name
        gate.record(then, "a test")
        said = gate.check(now, file.name)
        gate.PATH = old
        json.load(open(file.name))
    return said


then = measured(raw_zcrx_4k=700000, devrx_recv=1000000)
result("the gate lets 2 % pass",
       all(ok for ok, _ in check(measured(raw_zcrx_4k=700000, devrx_recv=1019900), then)))
result("the gate stops what is more",
       not any(ok for ok, _ in check(measured(raw_zcrx_4k=700000, devrx_recv=1020100), then)))
result("the gate judges devrx only",
       all(ok for ok, _ in check(measured(raw_zcrx_4k=900000, devrx_recv=1000000), then)))
result("the gate misses a row", not any(ok for ok, _ in check(measured(raw_zcrx_4k=1), then)))
other = copy.deepcopy(measured(raw_zcrx_4k=1400000, devrx_recv=2039000))
other.update(kernel="8", input="b")
result("with another kernel it is a ratio", all(ok for ok, _ in check(other, then)))
other = copy.deepcopy(measured(raw_zcrx_4k=1400000, devrx_recv=2041000))
other.update(kernel="8", input="b")
result("which may not grow either", not any(ok for ok, _ in check(other, then)))


def claims(**costs):
    return [met for met, _ in verdicts.verdicts(measured(**costs)["rows"])]


good = {"floor": 700000, "raw_zcrx_4k": 730000, "devrx_zcrx_device_4k": 742000,
        "devrx_zcrx_device_64k": 699999, "recv_memcpy_1m": 931000,
        "epoll_recv_memcpy_64k": 1057000}
result("all claims are met at their limits", claims(**good) == [True] * 4)
for name, cost in (("devrx_zcrx_device_4k", 742001), ("devrx_zcrx_device_64k", 700000),
                   ("recv_memcpy_1m", 930000), ("epoll_recv_memcpy_64k", 1056000)):
    result(f"a claim is missed by {name}", claims(**{**good, name: cost}).count(False) >= 1)

with tempfile.TemporaryDirectory() as directory:
    for name in ("a", "b"):
        initrd.make(f"{directory}/{name}", {"x/y": b"z", "init": b"i"}, {"l": "x"}, ("proc",))
    a, b = (open(f"{directory}/{name}", "rb").read() for name in ("a", "b"))
    result("the same files make the same archive", a == b and b"x/y" in a)
sys.exit(1 if failed else 0)
END
