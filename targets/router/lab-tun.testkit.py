"""Test support, run in a network namespace: the other end of a point-to-point link, as an access network is behind PPP or a tunnel. The
device is there for as long as this process is, and goes away with it, as one of a connection that is lost.

Usage: lab-tun.testkit.py NAME ADDRESS PEER SOURCE PORT
Lines in: "send GROUP", numbered packets of SOURCE, which is beyond PEER, at 50 a second; "query", a general query (IGMPv3) of PEER.
Lines out: "ready", then what comes up: "igmp SENDER DESTINATION TTL report3 TYPE GROUP SOURCE..." for each record, "igmp ... TYPE" for
other messages, in hex, "udp SENDER DESTINATION". End of input ends it.
"""

import fcntl
import os
import selectors
import socket
import struct
import subprocess
import sys
import time

# <linux/if_tun.h>, <linux/if_ether.h>
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
EVERY = 0.02
NAME, ADDRESS, PEER, SOURCE, PORT = sys.argv[1:6]


def say(line):
    print(line, flush=True)


def open_device():
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", NAME.encode(), IFF_TUN | IFF_NO_PI))
    for command in (f"addr add {ADDRESS} peer {PEER}/32 dev {NAME}", f"link set {NAME} up"):
        subprocess.run(["ip", *command.split()], check=True)
    return device


def checksum(octets):
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def packet(protocol, source, destination, ttl, payload, options=b""):
    length = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(payload), 0, 0, ttl, protocol, 0)
    head += socket.inet_aton(source) + socket.inet_aton(destination) + options
    return head[:10] + checksum(head) + head[12:] + payload


def udp(group, text):
    return packet(17, SOURCE, group, 8, struct.pack("!HHHH", 5000, int(PORT), 8 + len(text), 0) + text)


def general_query():
    asks = struct.pack("!BBH4sBBH", 0x11, 10, 0, b"\0\0\0\0", 2, 125, 0)
    return packet(2, PEER, "224.0.0.1", 1, asks[:2] + checksum(asks) + asks[4:], b"\x94\x04\0\0")


def tell_igmp(where, message):
    if message[0] != 0x22:
        say(f"{where} {message[0]:02x} {socket.inet_ntoa(message[4:8])}")
        return
    at = 8
    for _ in range(struct.unpack_from("!H", message, 6)[0]):
        kind, words, count = struct.unpack_from("!BBH", message, at)
        addresses = [socket.inet_ntoa(message[at + 4 + 4 * i : at + 8 + 4 * i]) for i in range(count + 1)]
        say(f"{where} report3 {kind} {' '.join(addresses)}")
        at += 8 + 4 * count + 4 * words


def tell(octets):
    if octets[0] >> 4 != 4:
        return
    where = f"{socket.inet_ntoa(octets[12:16])} {socket.inet_ntoa(octets[16:20])}"
    if octets[9] == 2:
        tell_igmp(f"igmp {where} {octets[8]}", octets[4 * (octets[0] & 15) :])
    elif octets[9] == 17:
        say(f"udp {where}")


def main():
    device = open_device()
    selector = selectors.DefaultSelector()
    selector.register(device, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    groups, number, due, rest = [], 0, time.monotonic(), b""
    say("ready")
    while True:
        for key, _ in selector.select(max(0, due - time.monotonic())):
            if key.fileobj == device:
                tell(os.read(device, 65536))
                continue
            octets = os.read(0, 65536)
            if not octets:
                return
            *lines, rest = (rest + octets).split(b"\n")
            for line in lines:
                if line == b"query":
                    os.write(device, general_query())
                else:
                    groups.append(line.decode().split()[1])
        if time.monotonic() < due:
            continue
        due += EVERY
        number += 1
        for group in groups:
            os.write(device, udp(group, str(number).encode()))


main()
