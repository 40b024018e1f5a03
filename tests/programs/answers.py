#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What ethtool and the kernel's netlink client say of the softnic, with and
without a provider on queue 3, and that they agree with each other."""
import json
import os
import subprocess
import sys

TOP = os.path.abspath(os.path.dirname(__file__) + "/../..")
LINUX = TOP + "/build/programs/linux"
sys.path.append(LINUX + "/tools/net/ynl")
from pyynl.lib import YnlFamily  # pylint: disable=wrong-import-position

NETDEV = YnlFamily(LINUX + "/Documentation/netlink/specs/netdev.yaml", schema="")
with open("/sys/class/net/nic0/ifindex", encoding="ascii") as index:
    IFINDEX = int(index.read())


def run(*words):
    return subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE).stdout


def ethtool(option):
    return json.loads(run("ethtool", "--json", option, "nic0"))[0]


def statistics():
    lines = run("ethtool", "-S", "nic0").splitlines()[1:]
    return {name: int(value) for name, value in (line.strip().split(": ") for line in lines)}


def same(what, got, want):
    if got != want:
        raise AssertionError(f"{what} is {got!r}, not {want!r}")


def features():
    said = ethtool("-k")
    for name in ("rx-checksumming", "tx-checksumming", "scatter-gather", "tcp-segmentation-offload",
                 "generic-receive-offload", "ntuple-filters", "receive-hashing"):
        same(name, said[name]["active"], True)
    for name in ("rx-gro-hw", "large-receive-offload", "tls-hw-rx-offload"):
        same(name, said[name]["active"], False)


def driver():
    said = dict(line.split(": ", 1) for line in run("ethtool", "-i", "nic0").splitlines() if ": " in line)
    same("driver", said["driver"], "devrx_softnic")
    same("bus-info", said["bus-info"], "devrx_softnic")
    same("version", said["version"], os.uname().release)


def rings():
    said = ethtool("-g")
    same("rx-max", said["rx-max"], 4096)
    same("rx", said["rx"], 256)
    same("tcp-data-split", said["tcp-data-split"], "on")


def channels():
    # Old versions have no JSON for it. The most comes first, then what is.
    said = [line.split() for line in run("ethtool", "-l", "nic0").splitlines()]
    same("combined", [words[1] for words in said if words[:1] == ["Combined:"]], ["16", "4"])


def table():
    said = ethtool("-x")
    same("table", said["rss-indirection-table"], [i % 3 for i in range(128)])
    same("key", len(said["rss-hash-key"]), 40)
    same("function", said["rss-hash-function"], "toeplitz")


def rules():
    said = run("ethtool", "-n", "nic0")
    same("rules", said.count("Filter: "), 2)
    same("queues", said.count("Action: Direct to queue 3"), 2)
    same("ports", said.count("Dest port: 9000 mask: 0x0"), 2)
    same("kinds", ("TCP over IPv4" in said, "TCP over IPv6" in said), (True, True))


def queue(index, kind="rx"):
    return NETDEV.do("queue-get", {"ifindex": IFINDEX, "type": kind, "id": index})


def no_provider():
    for index in range(4):
        said = queue(index)
        same("provider", said.keys() & {"io-uring", "dmabuf", "xsk"}, set())
    same("queues", len(NETDEV.dump("queue-get", {"ifindex": IFINDEX})), 8)


def pools():
    said = NETDEV.dump("page-pool-get", {})
    return [pool for pool in said if pool.get("ifindex") == IFINDEX and "detach-time" not in pool]


def provider(kind):
    """@kind is on queue 3, and nowhere else."""
    for index in range(4):
        said = queue(index)
        same(f"queue {index} has {kind}", kind in said, index == 3)
    napi = queue(3)["napi-id"]
    same("tx queue's NAPI", queue(3, "tx")["napi-id"], napi)
    same("napi-get", NETDEV.do("napi-get", {"id": napi})["ifindex"], IFINDEX)
    with_it = [pool for pool in pools() if kind in pool]
    same("pools of the provider", len(with_it), 1)
    same("its NAPI", with_it[0]["napi-id"], napi)
    # Every queue has a pool, and queue 3 another for what is not payload.
    same("pools", len(pools()), 5)


def pool_statistics():
    with_it = next(pool for pool in pools() if "io-uring" in pool)
    said = NETDEV.dump("page-pool-stats-get", {})
    mine = next(s for s in said if s["info"].get("id") == with_it["id"])
    if not mine["alloc-fast"] + mine["alloc-slow"]:
        raise AssertionError(f"no chunk was taken: {mine}")


def counters():
    """Netlink's statistics are ethtool's, for each queue and for all of them."""
    before = statistics()
    per_queue = NETDEV.dump("qstats-get", {"ifindex": IFINDEX, "scope": "queue"})
    whole = NETDEV.dump("qstats-get", {"ifindex": IFINDEX})[0]
    after = statistics()
    pairs = [("packets", "packets"), ("bytes", "bytes")]
    for said in per_queue + [whole]:
        for mine, theirs in pairs:
            for kind in ("rx", "tx"):
                if said.get("queue-type", kind) != kind:
                    continue
                name = f"{kind}_{mine}" if said is whole else f"{kind}_q{said['queue-id']}_{mine}"
                value = said[f"{kind}-{theirs}"]
                if not before[name] <= value <= after[name]:
                    raise AssertionError(f"{name}: {before[name]} <= {value} <= {after[name]} is not so")
    same("queues", len(per_queue), 8)
    if before["rx_q3_placed_bytes"] < 1 << 20:
        raise AssertionError("the transfer was not placed")


def main():
    failed = 0
    for arg in sys.argv[1:]:
        name, _, kind = arg.partition("=")
        label = f"answers {name.replace('_', ' ')}" + (f" {kind}" if kind else "")
        try:
            globals()[name](*([kind] if kind else []))
            print("ok", label)
        except (AssertionError, subprocess.CalledProcessError, KeyError, StopIteration) as error:
            print(repr(error))
            print("not ok", label)
            failed = 1
    sys.exit(failed)


main()
