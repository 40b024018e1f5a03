# SPDX-License-Identifier: MIT
"""The regression gate: no row of devrx costs more than was recorded, but for 2 %.

Recorded is the least of the seeds, and with it what it was measured on. With the same
kernel, QEMU and compiler a figure is compared as it is: the same bytes give the same
count, others differ by where things happen to lie. With another kernel or another QEMU
it is compared by its ratio to raw-zcrx-4k and to the floor in the same boots, for the
stack has changed, too; the ratio that grew less counts.
"""
import json
import os

from .rows import KEY, key_of

GROWTH = 1.02
PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorded.json")
REFERENCES = ("raw-zcrx-4k", "floor")
ON = ("kernel", "qemu", "compiler")


def least(row):
    return row["instructions_per_mib"]["min"]


def record(result, reason):
    rows = [{**{member: row[member] for member in KEY}, "instructions_per_mib": least(row)}
            for row in result["rows"]
            if row["name"].startswith("devrx") or row["name"] in REFERENCES]
    with open(PATH, "w") as file:
        head = {"reason": reason, "date": result["date"],
                **{member: result[member] for member in ON}, "input": result["input"]}
        text = json.dumps(head, indent=1)[:-2] + ',\n "rows": [\n'
        file.write(text + ",\n".join("  " + json.dumps(row) for row in rows) + "\n ]\n}\n")


def check(result, recorded_path=PATH):
    """[(ok, sentence)]"""
    with open(recorded_path) as file:
        recorded = json.load(file)
    then = {key_of(row): row["instructions_per_mib"] for row in recorded["rows"]}
    now = {key_of(row): least(row) for row in result["rows"]}
    same = all(recorded[member] == result[member] for member in ON)
    said = []
    if recorded["input"] == result["input"]:
        how = "the same bytes as recorded"
    elif same:
        how = "kernel, QEMU and compiler as recorded"
    else:
        how = "against " + " and ".join(REFERENCES) + ", recorded with " + ", ".join(
            f"{member} {recorded[member]}" for member in ON)
    for key, was in then.items():
        name = key[0]
        if not name.startswith("devrx"):
            continue
        where = f"{name}, MTU {key[1]}, {key[2]} connection(s)"
        if key not in now:
            said.append((False, f"{where}: recorded, and not measured"))
            continue
        if not same:
            keys = [(reference,) + key[1:] for reference in REFERENCES]
            was *= max(now[it] / then[it] for it in keys if it in now and it in then)
        ratio = now[key] / was
        said.append((ratio <= GROWTH, f"{where}: {now[key]:,} instructions per MiB, "
                     f"{(ratio - 1) * 100:+.2f} % ({how})"))
    return said


# For each row that has grown.
HOW_TO_RECORD = "; where that is worth it: ./run bench --record 'why', and commit recorded.json"
