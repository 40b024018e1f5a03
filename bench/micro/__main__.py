# SPDX-License-Identifier: MIT
"""What one fragment costs the library, in instructions and by the clock: ./run bench --micro.

Instructions are counted by callgrind (fragment_cost.sh), nanoseconds measured by Google
Benchmark (fragment_time): the same steps on the same fake kernel (cycle.h).
"""
import argparse
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(TOP, "build/dev/bench")
# fragment_time's names, and what fragment_cost.sh calls them.
STEPS = {"Wait": "wait", "Release": "release", "Push": "push", "ReleaseAfter": "release_after",
         "GiveBack": "give_back", "Frame": "frame", "Recover": "recover"}


def counted():
    """{(step, batch, connections): instructions}, whether all limits are kept."""
    out = subprocess.run([os.path.join(TOP, "bench/fragment_cost.sh"), "--json"],
                         stdout=subprocess.PIPE, text=True)
    if out.returncode not in (0, 1):
        sys.exit(out.returncode)
    said, cost = json.loads(out.stdout), {}
    for row in said["rows"] + said["device_rows"] + said["frame_rows"] + said["recover_rows"]:
        if row.get("layout") == "mixed":
            continue
        for step in STEPS.values():
            if step in row:
                cost[step, row["batch"], row.get("connections", 64)] = row[step]
    return cost, out.returncode == 0


def timed():
    """{(step, batch, connections): nanoseconds}"""
    program = os.path.join(BENCH, "fragment_time")
    if not os.path.exists(program):
        sys.exit("bench: no fragment_time: build/dev was configured without Google Benchmark\n"
                 "next: cmake --preset dev && ./run bench --micro")
    out = subprocess.run([program, "--benchmark_format=json",
                          "--benchmark_min_time=0.1"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True, check=True)
    times = {}
    for run in json.loads(out.stdout)["benchmarks"]:
        name, batch, connections = run["name"].split("/")[:3]
        times[STEPS[name], int(batch), int(connections)] = run["real_time"] / int(batch)
    return times


def main():
    parser = argparse.ArgumentParser(
        prog="./run bench --micro", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micro", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    options = parser.parse_args()
    (cost, kept), times = counted(), timed()
    rows = [{"step": step, "batch": batch, "connections": connections,
             "instructions": cost.get((step, batch, connections)),
             "nanoseconds": round(times[step, batch, connections], 2)}
            for step, batch, connections in times]
    print(f"{'per fragment':14} {'batch':>6} {'connections':>12} {'instructions':>13} {'ns':>8}")
    for row in rows:
        count = "?" if row["instructions"] is None else f"{row['instructions']:.1f}"
        print(f"{row['step']:14} {row['batch']:6} {row['connections']:12} {count:>13} "
              f"{row['nanoseconds']:8.1f}")
    if not kept:
        print("above a limit: see bench/fragment_cost.sh --help", file=sys.stderr)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"unit": "per fragment", "rows": rows}, file, indent=1)
            file.write("\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
