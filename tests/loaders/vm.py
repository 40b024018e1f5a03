# SPDX-License-Identifier: MIT
"""In the guest: vm.py URL EXPECTED DEVICE: the tensors of a file, by zcrx-device."""

import hashlib
import json
import sys

import devrx
from devrx.safetensors import _TORCH, read_header

url, expected, device = sys.argv[1:]
with open(expected) as f:
    want = json.load(f)
name = f"vm.safetensors_into_{device.split(':')[0]}"
try:
    with devrx.Client(device, nic="softnic1", queue=3, area=48 << 20, request=4 << 20) as client:
        tensors, _, begin = read_header(client, url)
        data = max(end for _, _, _, end in tensors.values())
        buffer = client.get(url, begin, data)
        print(client.tier, client.stats(), buffer, buffer.placement, buffer.proof)
        assert client.tier == "zcrx-device", client.tier
        assert client.stats()["bytes_copied"] == 0, client.stats()
    assert data >= 120 << 20 and len(tensors) >= 100
    assert buffer.kind == device.split(":")[0]
    assert tensors.keys() == want.keys()
    for key, (kind, shape, first, end) in tensors.items():
        digest = hashlib.sha256(buffer.tobytes(first, end - first)).hexdigest()
        assert [_TORCH[kind], list(shape), digest] == want[key], key
    print(f"ok {name}")
except BaseException as e:
    print(f"{type(e).__name__}: {e}")
    print(f"not ok {name}")
    sys.exit(1)
