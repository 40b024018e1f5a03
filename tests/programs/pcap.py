# SPDX-License-Identifier: MIT
"""Look at a capture of one TCP connection's one direction.

pcap.py headers FILE BYTES   each packet was captured up to the end of its headers
                             and not further, and its lengths make BYTES
pcap.py payload FILE         write the payload, put together by sequence numbers
"""
import struct
import sys


def packets(name):
    """(captured bytes, true length) of each packet"""
    with open(name, "rb") as f:
        raw = f.read()
    assert struct.unpack_from("<I", raw)[0] == 0xA1B2C3D4, "no pcap file"
    at = 24
    while at < len(raw):
        _, _, captured, length = struct.unpack_from("<4I", raw, at)
        yield raw[at + 16:at + 16 + captured], length
        at += 16 + captured


def tcp(data):
    """IPv4 only: (end of the headers, end of the packet, sequence number, SYN)"""
    l4 = 14 + (data[14] & 15) * 4
    end = 14 + struct.unpack_from("!H", data, 16)[0]
    seq, = struct.unpack_from("!I", data, l4 + 4)
    return l4 + (data[l4 + 12] >> 4) * 4, end, seq, data[l4 + 13] & 2


def main():
    what, name = sys.argv[1:3]
    start, stream = None, {}
    for data, length in packets(name):
        headers, end, seq, syn = tcp(data)
        if syn:
            start = seq + 1
        if end != length and end > 60:
            sys.exit(f"a packet of {end} bytes is said to have {length}")
        if end == headers:
            continue
        if what == "headers" and len(data) != headers:
            sys.exit(f"{len(data)} bytes captured of a packet with {headers} bytes of headers")
        if what == "payload" and len(data) < end:
            sys.exit(f"{len(data)} bytes captured of a packet with {end}")
        stream[(seq - start) % 2**32] = (data[headers:end], end - headers)

    at = 0
    for seq in sorted(stream):
        data, length = stream[seq]
        if seq > at:
            sys.exit(f"bytes {at} to {seq} are missing")
        if seq + length > at:
            if what == "payload":
                sys.stdout.buffer.write(data[at - seq:])
            at = seq + length
    if what == "headers" and at != int(sys.argv[3]):
        sys.exit(f"{at} bytes on the wire, {sys.argv[3]} sent")
    if not stream:
        sys.exit("no payload at all")


main()
