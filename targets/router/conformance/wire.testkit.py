"""Test support, run in a network namespace by Debian's Python: IGMP made and read by scapy, which shares nothing with the router, and the
kernel's own IGMP host.

Usage: /usr/bin/python3 wire.testkit.py INTERFACE...
Lines of JSON in, each with an `id`; {"done": id} out when it is carried out, and a line for each IPv4 packet that an interface hears.
"""

import json
import os
import selectors
import socket
import struct
import sys

from scapy.contrib.igmp import IGMP
from scapy.contrib.igmpv3 import IGMPv3, IGMPv3gr, IGMPv3mq, IGMPv3mr
from scapy.layers.inet import IP, UDP, IPOption_Router_Alert
from scapy.layers.l2 import Ether
from scapy.packet import Raw

RECORDS = {"is-in": 1, "is-ex": 2, "to-in": 3, "to-ex": 4, "allow": 5, "block": 6}
# <linux/in.h>
SOURCE_CALLS = {"unblock": 37, "block": 38, "join": 39, "leave": 40}
PACKET_OUTGOING = 4
ETH_P_IP = 0x0800
NAMES = {number: name for name, number in RECORDS.items()}


def checksum(octets):
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def record(kind, group, sources, aux=0):
    made = IGMPv3gr(rtype=RECORDS.get(kind, kind), maddr=group, srcaddrs=sources, auxdlen=aux)
    return bytes(made) + b"\xaa" * (4 * aux)


def report3(it):
    records = [record(*one) for one in it["records"]]
    head = bytes(IGMPv3(type=0x22, mrcode=0, chksum=0))[:4] + struct.pack("!HH", 0, it.get("count", len(records)))
    return head + b"".join(records)


def query3(it):
    asks = IGMPv3mq(gaddr=it.get("group", "0.0.0.0"), s=it.get("s", 0), qrv=it.get("qrv", 2), qqic=it.get("qqic", 125))
    asks.srcaddrs = it.get("sources", [])
    return bytes(IGMPv3(type=0x11, mrcode=it.get("code", 100), chksum=0))[:4] + bytes(asks)


def older(kind, it):
    return bytes(IGMP(type=kind, mrcode=it.get("code", 0), gaddr=it.get("group", "0.0.0.0"), chksum=0))


def asked(it):
    return "224.0.0.1" if it.get("group", "0.0.0.0") == "0.0.0.0" else it["group"]


MESSAGES = {
    "report1": (lambda it: older(0x12, it), lambda it: it["group"]),
    "report2": (lambda it: older(0x16, it), lambda it: it["group"]),
    "leave": (lambda it: older(0x17, it), lambda it: "224.0.0.2"),
    "report3": (report3, lambda it: "224.0.0.22"),
    "query1": (lambda it: older(0x11, it), lambda it: "224.0.0.1"),
    "query2": (lambda it: older(0x11, {"code": 100, **it}), asked),
    "query3": (query3, asked),
    "raw": (lambda it: bytes.fromhex(it["octets"]), lambda it: it["dst"]),
}


def message(it):
    """The IGMP message, its checksum right unless `wrong`."""
    octets = MESSAGES[it["kind"]][0](it) + bytes.fromhex(it.get("trailing", ""))
    if len(octets) < 4:
        return octets
    right = checksum(octets[:2] + b"\0\0" + octets[4:])
    return octets[:2] + struct.pack("!H", right ^ (0x5555 if it.get("wrong") else 0)) + octets[4:]


def ethernet(it, destination):
    group = [int(part) for part in destination.split(".")]
    mac = "01:00:5e:%02x:%02x:%02x" % (group[1] & 127, group[2], group[3])
    return Ether(src=it.get("mac", "02:00:00:00:00:99"), dst=it.get("to", mac))


def frame(it):
    if it["kind"] == "udp":
        header = IP(src=it["src"], dst=it["dst"], ttl=8)
        return bytes(ethernet(it, it["dst"]) / header / UDP(sport=5004, dport=5004) / Raw(it["text"].encode()))
    destination = it.get("dst") or MESSAGES[it["kind"]][1](it)
    options = [IPOption_Router_Alert()] if it.get("alert", True) else []
    header = IP(src=it["src"], dst=destination, ttl=it.get("ttl", 1), tos=it.get("tos", 0xC0), options=options, proto=2)
    return bytes(ethernet(it, destination) / header / Raw(message(it)))


def igmp(octets):
    """What scapy reads in an IGMP message."""
    seen = {"octets": octets.hex(), "sound": checksum(octets) == 0}
    kind = octets[0]
    if kind == 0x11 and len(octets) >= 12:
        head = IGMPv3(octets)
        query = head[IGMPv3mq]
        return {
            **seen,
            "kind": "query",
            "version": 3,
            "code": head.mrcode,
            "group": query.gaddr,
            "sources": query.srcaddrs,
            "s": query.s,
            "qrv": query.qrv,
            "qqic": query.qqic,
        }
    if kind == 0x22:
        told = IGMPv3mr(octets[4:])
        records = [[NAMES.get(one.rtype, one.rtype), one.maddr, one.srcaddrs] for one in told.records]
        return {**seen, "kind": "report3", "records": records}
    old = IGMP(octets)
    names = {0x11: "query", 0x12: "report1", 0x16: "report2", 0x17: "leave"}
    version = 1 if kind == 0x11 and old.mrcode == 0 else 2
    return {**seen, "kind": names.get(kind, "unknown"), "version": version, "code": old.mrcode, "group": old.gaddr}


def read(octets):
    packet = IP(octets[14:])
    head = {"src": packet.src, "dst": packet.dst, "ttl": packet.ttl, "tos": packet.tos}
    content = octets[14 + 4 * packet.ihl : 14 + packet.len]
    if packet.proto == 2 and len(content) >= 8:
        alert = any(isinstance(option, IPOption_Router_Alert) for option in packet.options)
        return {**head, "alert": alert, "length": packet.len, **igmp(content)}
    if packet.proto == 17:
        return {**head, "kind": "udp", "text": content[8:].decode("latin1")}
    return None


class Host:
    """The kernel as a member: one socket for each interface and group."""

    def __init__(self):
        self.sockets = {}

    def do(self, what, interface, address, group, source=None):
        own = self.sockets.get((interface, group))
        if own is None:
            own = self.sockets[(interface, group)] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if source is not None:
            octets = socket.inet_aton(group) + socket.inet_aton(address) + socket.inet_aton(source)
            own.setsockopt(socket.IPPROTO_IP, SOURCE_CALLS[what], octets)
        elif what == "join":
            octets = socket.inet_aton(group) + socket.inet_aton(address)
            own.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, octets)
        else:
            self.sockets.pop((interface, group)).close()


def say(it):
    sys.stdout.write(json.dumps(it) + "\n")
    sys.stdout.flush()


def listen(interface):
    own = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    own.bind((interface, ETH_P_IP))
    return own


def obey(it, links, host):
    answer = {"done": it["id"]}
    if "put" in it:
        for one in it["frames"]:
            links[it["put"]].send(frame(one))
    elif "host" in it:
        host.do(it["host"], it["on"], it["address"], it["group"], it.get("source"))
    elif "message" in it:
        answer["octets"] = message(it["message"]).hex(":")
    say(answer)


def main(interfaces):
    links = {name: listen(name) for name in interfaces}
    names = {own: name for name, own in links.items()}
    host = Host()
    waiting = selectors.DefaultSelector()
    for own in links.values():
        waiting.register(own, selectors.EVENT_READ)
    waiting.register(0, selectors.EVENT_READ)
    rest = b""
    say({"ready": True})
    while True:
        for key, _ in waiting.select():
            if key.fileobj == 0:
                more = os.read(0, 1 << 20)
                if more == b"":
                    return
                *lines, rest = (rest + more).split(b"\n")
                for line in lines:
                    obey(json.loads(line), links, host)
                continue
            octets, (_, _, kind, *_) = key.fileobj.recvfrom(65536)
            seen = None if kind == PACKET_OUTGOING else read(octets)
            if seen is not None:
                say({"on": names[key.fileobj], **seen})


main(sys.argv[1:])
