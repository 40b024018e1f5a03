# SPDX-License-Identifier: MIT
"""What receiving costs, in instructions, by devrx and by others: ./run bench."""
import argparse
import datetime
import json
import os
import signal
import sys
import time

from . import gate, plan, verdicts, vm
from .rows import collect, cost


def arguments():
    parser = argparse.ArgumentParser(
        prog="./run bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="""\
Boot a VM in which a nanosecond is an instruction, send the same bytes over a software
NIC to devrx and to other ways to receive (devrx bench --list), and print what the whole
machine executed for each MiB: sender, both stacks, receiver. The NIC's own copy, which
stands for DMA, is taken off and shown. Minimum, median and maximum are of the seeds.
docs/performance.md tells what the figures mean, and what they do not.""",
        epilog="""\
Exit code: 0; 1 where nothing could be measured, a claim of devrx is missed, or with
--gate a row has grown; 2 wrong call.""")
    parser.add_argument("--quick", action="store_true",
                        help="one seed, large packets, one connection, 64 MiB: about a minute")
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    parser.add_argument("--seeds", default=None, metavar="'N...'",
                        help="one boot for each (default '1 2 3')")
    parser.add_argument("--kernel", default="7.3", help="kernel series (default 7.3)")
    parser.add_argument("--gate", action="store_true",
                        help="measure what is recorded, and compare with that")
    parser.add_argument("--record", metavar="REASON",
                        help="measure it, and record it as it is from now on, and why")
    options = parser.parse_args()
    options.seeds = options.seeds or ("1" if options.quick else "1 2 3")
    try:
        options.seeds = [int(seed) for seed in options.seeds.split()]
    except ValueError:
        parser.error(f"--seeds takes numbers, not '{options.seeds}'")
    if options.json and not os.access(os.path.dirname(options.json) or ".", os.W_OK):
        parser.error(f"--json {options.json}: nothing can be written there")
    if options.record is not None and not options.record.strip():
        parser.error("--record takes a reason")
    return options


def measure(options):
    """Boots side by side, one for each CPU."""
    machine = vm.Machine(options.kernel)
    text = plan.quick() if options.quick else plan.full()
    if options.gate or options.record:
        text = plan.gate()
    archive = os.path.join(machine.directory, "bench-initrd")
    machine.make_initrd(archive, text)
    waiting, running, done = list(options.seeds), [], []
    try:
        while waiting or running:
            while waiting and len(running) < (os.cpu_count() or 1):
                running.append((time.monotonic(), vm.Boot(machine, archive, waiting.pop(0))))
            start, boot = running[0]
            done.append((boot.seed, boot.finish()))
            print(f"seed {boot.seed:<29} {time.monotonic() - start:.1f} s", file=sys.stderr)
            running.pop(0)[1].clean()
    finally:
        for _, boot in running:
            boot.clean()
    rows, complaints = collect(done)
    return {
        "date": datetime.date.today().isoformat(),
        "kernel": machine.kernel,
        "qemu": machine.qemu,
        "compiler": machine.compiler,
        "seeds": options.seeds,
        "input": machine.input_hash(archive),
        "unit": "instructions of the whole machine per MiB, without the NIC's copy",
        "rows": rows,
    }, complaints


def print_table(result):
    print(f"Linux {result['kernel']}, QEMU {result['qemu']}, gcc {result['compiler']}; "
          f"instructions per MiB, the whole machine, without the NIC's copy")
    floors = {(row["mtu"], row["connections"], row["bytes"]): cost(row)
              for row in result["rows"] if row["name"] == "floor"}
    last = None
    for row in sorted(result["rows"], key=lambda row: (-row["mtu"], row["bytes"],
                                                       row["connections"], cost(row))):
        point = (row["mtu"], row["connections"], row["bytes"])
        if point != last:
            last = point
            print(f"\nMTU {row['mtu']} ({row['stream']}), {row['connections']} connection(s), "
                  f"{row['bytes'] >> 20} MiB")
            print(f"{'':27} {'min':>9} {'median':>9} {'max':>9} {'- floor':>9} {'NIC copy':>9} "
                  f"{'events':>7} {'syscalls':>8} {'ACKs':>5}")
        value = row["instructions_per_mib"]
        above = f"{cost(row) - floors[point]:+,}" if point in floors else ""
        syscalls = "?" if row["syscalls_per_mib"] is None else f"{row['syscalls_per_mib']:.2f}"
        print(f"{row['name']:27} {value['min']:9,} {value['median']:9,} {value['max']:9,} "
              f"{above:>9} {row['nic_copy_per_mib']:9,} {row['events_per_mib']:7.1f} "
              f"{syscalls:>8} {row['acks_per_mib']:5.1f}")


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result, complaints = measure(options)
    for complaint in complaints:
        print("bench: " + complaint, file=sys.stderr)
    if not result["rows"]:
        print("bench: nothing was measured", file=sys.stderr)
        return 1
    bad = 0
    if options.record:
        gate.record(result, options.record)
        print(f"recorded in {os.path.relpath(gate.PATH, vm.TOP)}")
    elif options.gate:
        for ok, sentence in gate.check(result):
            print("ok " + sentence if ok else "not ok " + sentence + gate.HOW_TO_RECORD)
            bad += not ok
    else:
        print_table(result)
        result["claims"] = []
        print()
        for met, sentence in verdicts.verdicts(result["rows"]):
            result["claims"].append({"met": met, "claim": sentence})
            print(("met     " if met else "MISSED  ") + sentence)
            bad += not met
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except vm.Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        sys.exit(1)
