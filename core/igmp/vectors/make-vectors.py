"""Makes packets.json, drops.json, frames.json and the pcapng beside the captures.

Run from the root of the repository with scapy 2.5.0; then format with biome.
"""

import json
import struct

from scapy.all import *
from scapy.contrib.igmp import IGMP
from scapy.contrib.igmpv3 import IGMPv3, IGMPv3gr, IGMPv3mq, IGMPv3mr

SCAPY = "scapy 2.5.0"
ROUTER, HOST, GROUP = "10.0.0.1", "10.0.0.9", "239.1.1.1"


def octets(dotted):
    return bytes(map(int, dotted.split(".")))


def sum16(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def with_checksum(message):
    return message[:2] + sum16(message[:2] + b"\0\0" + message[4:]) + message[4:]


def with_header_checksum(packet):
    end = (packet[0] & 15) * 4
    return packet[:10] + sum16(packet[:10] + b"\0\0" + packet[12:end]) + packet[12:]


def patch(packet, at, value):
    return packet[:at] + value + packet[at + len(value) :]


def ip(source, destination, alert=True):
    options = [IPOption_Router_Alert()] if alert else []
    return IP(src=source, dst=destination, ttl=1, tos=0xC0, options=options, id=0, proto=2)


packets = []


def good(name, packet, kind, sender, group, source=SCAPY, writable=True, **fields):
    """`writable`: our own writers must make the same octets."""
    entry = {"name": name, "source": source, "hex": bytes(packet).hex(), "kind": kind, "from": sender, "group": group}
    packets.append({**entry, **fields, "writable": writable})


def query_fields(version, response, suppress=False, robustness=0, interval=0, sources=()):
    return {
        "version": version,
        "maxResponse": response,
        "suppress": suppress,
        "robustness": robustness,
        "queryInterval": interval,
        "sources": list(sources),
    }


def v3_query(code=100, **fields):
    return IGMPv3(type=0x11, mrcode=code) / IGMPv3mq(**fields)


def v3_report(*records):
    return IGMPv3(type=0x22, mrcode=0) / IGMPv3mr(numgrp=len(records), records=list(records))


def record(kind, group, *sources):
    return IGMPv3gr(rtype=kind, maddr=group, numsrc=len(sources), srcaddrs=list(sources))


good("v1 general query", ip(ROUTER, "224.0.0.1") / IGMP(type=0x11, mrcode=0), "v1Query", ROUTER, "0.0.0.0", query=query_fields(1, 10000))
good("v2 general query", ip(ROUTER, "224.0.0.1") / IGMP(type=0x11, mrcode=100), "v2Query", ROUTER, "0.0.0.0", query=query_fields(2, 10000))
good("v2 group-specific query, code linear at 255", ip(ROUTER, GROUP) / IGMP(type=0x11, mrcode=255, gaddr=GROUP), "v2Query", ROUTER, GROUP, query=query_fields(2, 25500))
good("v3 general query", ip(ROUTER, "224.0.0.1") / v3_query(qrv=2, qqic=125), "v3Query", ROUTER, "0.0.0.0", query=query_fields(3, 10000, False, 2, 125000))
good("v3 group-specific query with S", ip(ROUTER, GROUP) / v3_query(10, gaddr=GROUP, s=1, qrv=7, qqic=31), "v3Query", ROUTER, GROUP, query=query_fields(3, 1000, True, 7, 31000))
good(
    "v3 group-and-source-specific query",
    ip(ROUTER, GROUP) / v3_query(10, gaddr=GROUP, qrv=2, qqic=125, srcaddrs=["192.0.2.1", "192.0.2.200"]),
    "v3Query",
    ROUTER,
    GROUP,
    query=query_fields(3, 1000, False, 2, 125000, ["192.0.2.1", "192.0.2.200"]),
)
good("v1 report", ip(HOST, GROUP) / IGMP(type=0x12, mrcode=0, gaddr=GROUP), "v1Report", HOST, GROUP)
good("v2 report", ip(HOST, GROUP) / IGMP(type=0x16, mrcode=0, gaddr=GROUP), "v2Report", HOST, GROUP)
good("leave", ip(HOST, "224.0.0.2") / IGMP(type=0x17, mrcode=0, gaddr=GROUP), "leave", HOST, GROUP)
for number, kind in enumerate(["is-in", "is-ex", "to-in", "to-ex", "allow", "block"], start=1):
    both = ["192.0.2.1", "192.0.2.2"]
    good(f"v3 report {kind}", ip(HOST, "224.0.0.22") / v3_report(record(number, GROUP, *both)), "v3Report", HOST, "0.0.0.0", records=[{"type": kind, "group": GROUP, "sources": both}])
good(
    "v3 report of three records",
    ip(HOST, "224.0.0.22") / v3_report(record(4, GROUP), record(5, "232.1.1.1", "192.0.2.1"), record(3, "239.1.1.2")),
    "v3Report",
    HOST,
    "0.0.0.0",
    records=[
        {"type": "to-ex", "group": GROUP, "sources": []},
        {"type": "allow", "group": "232.1.1.1", "sources": ["192.0.2.1"]},
        {"type": "to-in", "group": "239.1.1.2", "sources": []},
    ],
)


def packed(name, message, kind, sender, group, section, destination="224.0.0.22", alert=True, padding=b"", **fields):
    """What scapy cannot make: the message packed here, the header by scapy."""
    packet = bytes(ip(sender, destination, alert) / Raw(with_checksum(message))) + padding
    good(name, packet, kind, sender, group, f"header by {SCAPY}, payload packed by a script from the figure of {section}", False, **fields)


GENERAL_V3 = bytes([0x11, 100, 0, 0]) + octets("0.0.0.0")
V2_REPORT = bytes([0x16, 0, 0, 0]) + octets(GROUP)
TO_EX = bytes([4, 0, 0, 0]) + octets(GROUP)
JOINED = [{"type": "to-ex", "group": GROUP, "sources": []}]


def report_header(count):
    return bytes([0x22, 0, 0, 0, 0, 0, 0, count])


packed("v2 report with trailing octets", V2_REPORT + b"\xde\xad\xbe", "v2Report", HOST, GROUP, "RFC 2236 2 (2.5: trailing octets)", GROUP)
packed("v3 query with trailing octets", GENERAL_V3 + bytes([2, 125, 0, 0]) + b"\xff" * 10, "v3Query", ROUTER, "0.0.0.0", "RFC 3376 4.1 (4.1.10: additional data)", "224.0.0.1", query=query_fields(3, 10000, False, 2, 125000))
packed("v3 query with reserved bits set", GENERAL_V3 + bytes([0xF2, 125, 0, 0]), "v3Query", ROUTER, "0.0.0.0", "RFC 3376 4.1 (4.1.4: Resv ignored)", "224.0.0.1", query=query_fields(3, 10000, False, 2, 125000))
packed(
    "v3 report with auxiliary data",
    report_header(2) + bytes([4, 2, 0, 0]) + octets(GROUP) + b"auxdata!" + bytes([5, 0, 0, 1]) + octets("239.1.1.2") + octets("192.0.2.1"),
    "v3Report",
    HOST,
    "0.0.0.0",
    "RFC 3376 4.2 (4.2.10: auxiliary data)",
    records=[*JOINED, {"type": "allow", "group": "239.1.1.2", "sources": ["192.0.2.1"]}],
)
packed(
    "v3 report with an unknown record type",
    report_header(2) + bytes([9, 0, 0, 1]) + octets(GROUP) + octets("192.0.2.1") + bytes([4, 0, 0, 0]) + octets("239.1.1.2"),
    "v3Report",
    HOST,
    "0.0.0.0",
    "RFC 3376 4.2 (4.2.12: unrecognized record types)",
    records=[{"type": "unknown", "group": GROUP, "sources": ["192.0.2.1"]}, {"type": "to-ex", "group": "239.1.1.2", "sources": []}],
)
packed("v3 report with trailing octets after the records", report_header(1) + TO_EX + b"\x01\x02\x03", "v3Report", HOST, "0.0.0.0", "RFC 3376 4.2 (4.2.11: additional data)", records=JOINED)
packed("v3 report from 0.0.0.0 to 224.0.0.1 without Router Alert", report_header(1) + TO_EX, "v3Report", "0.0.0.0", "0.0.0.0", "RFC 3376 4.2 (4.2.13: unspecified source)", "224.0.0.1", False, records=JOINED)
packed("v2 report with link padding after the packet", V2_REPORT, "v2Report", HOST, GROUP, "RFC 2236 2, padded to 46 octets", GROUP, False, b"\xaa" * 18)

drops = []


def bad(name, reason, packet, source=f"{SCAPY}, then changed as the name says"):
    drops.append({"name": name, "reason": reason, "source": source, "hex": bytes(packet).hex()})


def bad_message(name, reason, message, destination="224.0.0.22", checksum=True):
    payload = with_checksum(message) if checksum else message
    bad(name, reason, ip(HOST, destination) / Raw(payload), f"header by {SCAPY}, payload packed by a script")


report = bytes(ip(HOST, GROUP) / IGMP(type=0x16, mrcode=0, gaddr=GROUP))
bad("an empty packet", "ip.truncated", b"")
bad("nineteen octets", "ip.truncated", report[:19])
bad("shorter than its total length", "ip.truncated", report[:-1])
bad("IP version 6", "ip.version", patch(report, 0, b"\x66"))
bad("a header of four words", "ip.header-length", with_header_checksum(patch(report, 0, b"\x44")))
bad("a total length below the header's", "ip.total-length", with_header_checksum(patch(report, 2, b"\x00\x10")))
bad("UDP", "ip.not-igmp", IP(src=HOST, dst="224.0.0.251") / UDP(sport=5353, dport=5353) / b"x")
bad("a wrong header checksum", "ip.checksum", patch(report, 8, b"\x02"))
bad("the first fragment", "ip.fragment", with_header_checksum(patch(report, 6, b"\x20\x00")))
bad("a later fragment", "ip.fragment", with_header_checksum(patch(report, 6, b"\x00\x02")))
bad("a multicast source", "ip.source", with_header_checksum(patch(report, 12, b"\xef\x01\x01\x01")))
bad_message("an IGMP message of seven octets", "igmp.truncated", V2_REPORT[:7])
bad_message("no IGMP message at all", "igmp.truncated", b"", checksum=False)
bad_message("a wrong IGMP checksum", "igmp.checksum", patch(V2_REPORT, 2, b"\xab\xcd"), checksum=False)
bad_message("a broken octet behind the message counts in the checksum", "igmp.checksum", with_checksum(V2_REPORT) + b"\x01", checksum=False)
bad_message("mtrace, type 0x1f", "igmp.unknown-type", bytes([0x1F, 7, 0, 0]) + octets(GROUP) * 4)
bad_message("DVMRP, type 0x13", "igmp.unknown-type", bytes([0x13, 5, 0, 0]) + octets("0.0.0.0"))
for length in (9, 10, 11):
    bad_message(f"a query of {length} octets", "igmp.query-length", (GENERAL_V3 + b"\x02\x7d\x00")[:length], "224.0.0.1")
ASKED = bytes([0x11, 10, 0, 0])
bad_message("a query that claims one source more than it has", "igmp.query-truncated", ASKED + octets(GROUP) + bytes([2, 125, 0, 2]) + octets("192.0.2.1"), GROUP)
bad_message("a general query with sources", "igmp.query-sources", ASKED + octets("0.0.0.0") + bytes([2, 125, 0, 1]) + octets("192.0.2.1"), "224.0.0.1")
bad_message("a query about a unicast address", "igmp.group-not-multicast", ASKED + octets("10.1.1.1"), "224.0.0.1")
bad_message("a v2 report of a unicast address", "igmp.group-not-multicast", V2_REPORT[:4] + octets("10.1.1.1"))
bad_message("a leave of 240.0.0.1", "igmp.group-not-multicast", bytes([0x17, 0, 0, 0]) + octets("240.0.0.1"))
bad_message("a record that ends after four octets (PcapPlusPlus IgmpTests)", "igmp.record-truncated", report_header(1) + bytes([4, 0, 0, 0]))
bad_message("a record with fewer sources than it claims", "igmp.record-truncated", report_header(1) + bytes([1, 0, 0, 2]) + octets(GROUP) + octets("192.0.2.1"))
bad_message("auxiliary data beyond the packet", "igmp.record-truncated", report_header(1) + bytes([4, 3, 0, 0]) + octets(GROUP) + b"12345678")
bad_message("two records claimed, one there", "igmp.record-truncated", report_header(2) + TO_EX)

frames = []
MAC = "02:11:22:33:44:55"
GROUP_MAC = "01:00:5e:01:01:01"


def frame(name, layers, keep=None, **fields):
    frames.append({"name": name, "source": SCAPY, "hex": bytes(layers)[:keep].hex(), **fields})


ether = Ether(src=MAC, dst=GROUP_MAC)
inner = IP(report)
frame("untagged", ether / inner, mac=MAC, vlans=[])
frame("one 802.1Q tag", ether / Dot1Q(vlan=77) / inner, mac=MAC, vlans=[77])
frame("802.1ad and 802.1Q", ether / Dot1AD(vlan=100) / Dot1Q(vlan=7) / inner, mac=MAC, vlans=[100, 7])
frame("priority tag", ether / Dot1Q(vlan=0, prio=5) / inner, mac=MAC, vlans=[0])
frame("three tags", ether / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / inner, reason="frame.too-many-tags")
frame("IPv6", ether / IPv6() / UDP(), reason="frame.not-ipv4")
frame("ARP", ether / ARP(), reason="frame.not-ipv4")
frame("thirteen octets", ether / inner, 13, reason="frame.truncated")
frame("a tag cut off", ether / Dot1Q(vlan=1) / inner, 15, reason="frame.truncated")
frame("a group address as source", Ether(src=GROUP_MAC, dst=GROUP_MAC) / inner, reason="frame.source")

for name, entries in (("packets", packets), ("drops", drops), ("frames", frames)):
    with open(f"core/igmp/vectors/{name}.json", "w") as file:
        json.dump(entries, file, indent=1)
writer = PcapNgWriter("core/capture/vectors/kernel-v2.pcapng")
writer.write(rdpcap("core/igmp/vectors/kernel-v2.pcap"))
writer.close()
