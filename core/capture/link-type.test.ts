// Every kind of link: the IPv4 packet inside, who sent it, on which network; what holds none says so by name.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../base/bytes.ts";
import { formatMac } from "../base/ethernet.ts";
import { fuzz, mutated } from "../base/fuzz.testkit.ts";
import { address, formatIpv4 } from "../base/ipv4.ts";
import { query, report } from "../igmp/igmp.testkit.ts";
import { ipv4Of, LINK_TYPES } from "./link-type.ts";
import {
  AP,
  captured,
  ethernetWith,
  GROUP_MAC,
  linksAround,
  MAC,
  RADIOTAP,
  SESSION,
  SLL,
  SLL2,
  SNAP,
  toAccessPoint,
  WLAN,
} from "./links.testkit.ts";
import { networkName } from "./network.ts";
import { frameToSend } from "./outgoing.ts";
import { writePcap } from "./pcap.ts";
import { replayIgmp } from "./replay.testkit.ts";

const hex = toHex;
const ipv4 = Uint8Array.from([0x45, 1, 2, 3, 4]);

for (const [name, packet, mac, network] of linksAround(ipv4)) {
  test(`${name}: the IPv4 packet inside${mac === "" ? "" : " and who sent it"}`, () => {
    const inner = ipv4Of(packet);
    if (typeof inner === "string") assert.fail(inner);
    assert.equal(hex(inner.packet), hex(ipv4));
    assert.equal(inner.mac === undefined ? "" : formatMac(inner.mac, 0), mac);
    assert.equal(networkName(undefined, inner.marks), network);
  });
}

test("links that hold no IPv4 packet say so by name", () => {
  assert.equal(ipv4Of(captured(195, ...ipv4)), "frame.link-type");
  assert.equal(ipv4Of(captured(LINK_TYPES.raw, 0x60)), "frame.not-ipv4");
  assert.equal(ipv4Of(captured(LINK_TYPES.raw)), "frame.truncated");
  assert.equal(ipv4Of(captured(LINK_TYPES.null, 0, 0, 0)), "frame.truncated");
  assert.equal(ipv4Of(captured(LINK_TYPES.loop, 0, 0, 0, 24, ...ipv4)), "frame.not-ipv4");
  assert.equal(ipv4Of(captured(LINK_TYPES.linuxSll, ...SLL(0).slice(1))), "frame.truncated");
  assert.equal(ipv4Of(captured(LINK_TYPES.linuxSll2, ...SLL2(6), ...ipv4)), "frame.not-ipv4");
  assert.equal(ipv4Of(captured(LINK_TYPES.ppp, 0xff, 3, 0)), "frame.truncated");
  assert.equal(ipv4Of(captured(LINK_TYPES.ppp, 0xc0, 0x21, 1)), "frame.not-ipv4");
  assert.equal(ipv4Of(ethernetWith(ipv4, ...SESSION, 0xc0, 0x21)), "frame.not-ipv4");
  assert.equal(ipv4Of(captured(LINK_TYPES.ethernet, ...GROUP_MAC, ...MAC, ...SESSION.slice(0, 7))), "frame.truncated");
  assert.equal(ipv4Of(captured(LINK_TYPES.ethernet, ...GROUP_MAC, ...GROUP_MAC, 8, 0, ...ipv4)), "frame.source");
});

test("802.11 frames that hold no packet, or none that can be read, say so by name", () => {
  const wlan = (...octets: number[]) => ipv4Of(captured(LINK_TYPES.ieee80211, ...octets));
  const frame = toAccessPoint(ipv4);
  const [, ...rest] = frame;
  assert.equal(wlan(0x80, ...rest), "frame.not-ipv4", "a beacon");
  assert.equal(wlan(0xd4, 0), "frame.not-ipv4", "an acknowledgement");
  assert.equal(wlan(0x48, ...rest), "frame.not-ipv4", "a null frame");
  assert.equal(wlan(...WLAN(0x08, 0x41, [AP, MAC, GROUP_MAC], ...SNAP)), "frame.encrypted");
  assert.equal(wlan(...WLAN(0x08, 0x05, [AP, MAC, GROUP_MAC], ...SNAP)), "frame.fragment");
  assert.equal(wlan(...WLAN(0x88, 0x01, [AP, MAC, GROUP_MAC], 0x80, 0, ...SNAP)), "frame.aggregated");
  assert.equal(wlan(...WLAN(0x08, 0x01, [AP, MAC, GROUP_MAC], 0x42, 0x42, 3, 0, 0, 0, 8, 0)), "frame.not-ipv4");
  assert.equal(wlan(...frame.slice(0, 30)), "frame.truncated");
  assert.equal(wlan(...frame.slice(0, 20)), "frame.truncated");
  const tap = (...octets: number[]) => ipv4Of(captured(LINK_TYPES.radiotap, ...octets));
  assert.equal(tap(...RADIOTAP(2, 0x40), ...frame), "frame.check-sequence");
  assert.equal(tap(0, 0, 200, 0, 0, 0, 0, 0, ...frame), "frame.truncated");
  assert.equal(tap(0, 0, 7, 0, 0, 0, 0, 0, ...frame), "frame.truncated");
});

const JOIN = report("10.0.0.9", ["to-ex", "239.1.1.1"]);

test("IGMP on every kind of link makes a member, on its network, with its MAC", () => {
  for (const [name, packet, mac, network] of linksAround(JOIN)) {
    const replayed = replayIgmp(writePcap(packet.linkType, [packet]));
    const [watched] = replayed.networks;
    const [host] = watched?.machine.hosts() ?? [];
    assert.deepEqual(
      [watched?.name, host?.host.mac, host && formatIpv4(host.group)],
      [network, mac, "239.1.1.1"],
      name,
    );
  }
});

fuzz(
  "mutated packets of every kind of link are replayed to their end",
  { seed: 20261126, rounds: 3000 },
  ({ below, rounds }) => {
    const examples = [JOIN, query("10.0.0.1")].flatMap((packet) => linksAround(packet));
    for (let round = 0; round < rounds; round++) {
      const [, { linkType, bytes, at }] = examples[below(examples.length)] ?? assert.fail();
      const packets = Array.from({ length: 1 + below(8) }, () => ({ at, bytes: mutated(bytes, below) }));
      for (const packet of packets)
        frameToSend({ ...packet, linkType, source: undefined, length: packet.bytes.length }, true);
      const options = below(2) === 0 ? { address: address("10.0.0.5") } : {};
      const { packets: count, igmp, types, drops, ignored } = replayIgmp(writePcap(linkType, packets), options);
      assert.equal(count, packets.length);
      const sum = (counts: object): number => Object.values(counts).reduce((all: number, one) => all + Number(one), 0);
      assert.ok(igmp <= count && sum(types) <= igmp && igmp + sum(ignored) >= count && sum(drops) <= 9 * igmp);
    }
  },
);
