# SPDX-License-Identifier: MIT
"""One rank under torchrun: ranks.py stop|resume DIR URL..."""

import itertools
import json
import sys

import devrx.torch
import torch.distributed as dist

phase, out, *urls = sys.argv[1:]
dist.init_process_group("gloo")
rank = dist.get_rank()
stream = devrx.torch.ShardStream(urls, 16, block=300, seed=5)
if phase == "stop":
    got = [int(s[0]) for s in itertools.islice(stream, 21 + 9 * rank)]
    with open(f"{out}/state.{rank}", "w") as f:
        json.dump(stream.state_dict(), f)
else:
    with open(f"{out}/state.{rank}") as f:
        stream.load_state_dict(json.load(f))
    got = [int(s[0]) for s in stream]
with open(f"{out}/{phase}.{rank}", "w") as f:
    json.dump(got, f)
dist.barrier()
dist.destroy_process_group()
