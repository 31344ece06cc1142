// Every kind of link that is read, around a packet of the test's own.
import { unixTime } from "../base/time.ts";
import type { CapturedPacket } from "./captured-packet.ts";
import { LINK_TYPES } from "./link-type.ts";

export const captured = (linkType: number, ...octets: number[]): CapturedPacket => ({
  at: unixTime(0),
  linkType,
  source: undefined,
  bytes: Uint8Array.from(octets),
  length: octets.length,
});
export const MAC = [2, 0x11, 0x22, 0x33, 0x44, 0x55];
export const AP = [2, 0, 0, 0, 0, 0xa1];
const FAR_AP = [2, 0, 0, 0, 0, 0xa2];
export const GROUP_MAC = [1, 0, 0x5e, 1, 1, 1];
export const SLL = (protocol: number) => [0, 2, 0, 1, 0, 6, ...MAC, 0, 0, 8, protocol];
export const SLL2 = (protocol: number) => [8, protocol, 0, 0, 0, 0, 0, 3, 0, 1, 2, 6, ...MAC, 0, 0];
export const SESSION = [0x88, 0x64, 0x11, 0, 0, 17, 0, 7];
export const SNAP = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
export const WLAN = (control: number, flags: number, addresses: number[][], ...body: number[]): number[] => {
  const [one = [], two = [], three = [], four = []] = addresses;
  return [control, flags, 0, 0, ...one, ...two, ...three, 0x10, 0, ...four, ...body];
};
/** Version 0, padding, length, what is present. */
export const RADIOTAP = (present: number, ...fields: number[]): number[] => [
  0,
  0,
  8 + fields.length,
  0,
  present,
  0,
  0,
  0,
  ...fields,
];

const HOST = "02:11:22:33:44:55";
const BSS = "BSS 02:00:00:00:00:a1";
const PPPOE = `PPPoE 17 01:00:5e:01:01:01 ${HOST}`;

/** A link, a packet of it, who sent it, and its network. */
export type LinkExample = readonly [name: string, packet: CapturedPacket, mac: string, network: string];

/** An 802.11 frame from HOST to its access point. */
export const toAccessPoint = (ipv4: Iterable<number>): number[] =>
  WLAN(0x08, 0x01, [AP, MAC, GROUP_MAC], ...SNAP, ...ipv4);

/** An Ethernet frame with this EtherType, and whatever stands between it and the packet. */
export const ethernetWith = (ipv4: Iterable<number>, ...type: number[]): CapturedPacket =>
  captured(LINK_TYPES.ethernet, ...GROUP_MAC, ...MAC, ...type, ...ipv4);

/** An IPv4 packet on every link that is read, in every form. */
export function linksAround(ipv4: Uint8Array): readonly LinkExample[] {
  const ether = (...type: number[]) => ethernetWith(ipv4, ...type);
  const toAp = toAccessPoint(ipv4);
  return [
    ["RAW", captured(LINK_TYPES.raw, ...ipv4), "", "untagged"],
    ["RAW of BSD", captured(LINK_TYPES.rawOfBsd, ...ipv4), "", "untagged"],
    ["RAW of OpenBSD", captured(LINK_TYPES.rawOfOpenBsd, ...ipv4), "", "untagged"],
    ["IPV4", captured(LINK_TYPES.ipv4, ...ipv4), "", "untagged"],
    ["NULL, little-endian", captured(LINK_TYPES.null, 2, 0, 0, 0, ...ipv4), "", "untagged"],
    ["NULL, big-endian", captured(LINK_TYPES.null, 0, 0, 0, 2, ...ipv4), "", "untagged"],
    ["LOOP", captured(LINK_TYPES.loop, 0, 0, 0, 2, ...ipv4), "", "untagged"],
    ["PPP with address and control", captured(LINK_TYPES.ppp, 0xff, 3, 0, 0x21, ...ipv4), "", "untagged"],
    ["PPP without them", captured(LINK_TYPES.ppp, 0, 0x21, ...ipv4), "", "untagged"],
    ["PPP with a protocol of one octet", captured(LINK_TYPES.pppHdlc, 0xff, 3, 0x21, ...ipv4), "", "untagged"],
    ["LINUX_SLL", captured(LINK_TYPES.linuxSll, ...SLL(0), ...ipv4), HOST, "untagged"],
    [
      "LINUX_SLL with a tag",
      captured(LINK_TYPES.linuxSll, ...SLL(0).slice(0, 14), 0x81, 0, 0, 7, 8, 0, ...ipv4),
      HOST,
      "VLAN 7",
    ],
    ["LINUX_SLL2", captured(LINK_TYPES.linuxSll2, ...SLL2(0), ...ipv4), HOST, "link 3"],
    ["ETHERNET", ether(8, 0), HOST, "untagged"],
    ["802.1Q", ether(0x81, 0, 0x60, 100, 8, 0), HOST, "VLAN 100"],
    ["a priority tag", ether(0x81, 0, 0xe0, 0, 8, 0), HOST, "untagged"],
    ["802.1ad", ether(0x88, 0xa8, 0, 100, 0x81, 0, 0, 7, 8, 0), HOST, "VLAN 100, VLAN 7"],
    ["tags of 0x9100", ether(0x91, 0, 0, 100, 0x91, 0, 0, 7, 8, 0), HOST, "VLAN 100, VLAN 7"],
    ["a PPPoE session", ether(...SESSION, 0, 0x21), HOST, PPPOE],
    ["a PPPoE session in a VLAN", ether(0x81, 0, 0, 8, ...SESSION, 0, 0x21), HOST, `VLAN 8, ${PPPOE}`],
    ["802.11 to an access point", captured(LINK_TYPES.ieee80211, ...toAp), HOST, BSS],
    [
      "802.11 from an access point, QoS",
      captured(LINK_TYPES.ieee80211, ...WLAN(0x88, 0x02, [GROUP_MAC, AP, MAC], 0, 0, ...SNAP, ...ipv4)),
      HOST,
      BSS,
    ],
    [
      "802.11 among stations, QoS with HT control",
      captured(LINK_TYPES.ieee80211, ...WLAN(0x88, 0x80, [GROUP_MAC, MAC, AP], 0, 0, 9, 9, 9, 9, ...SNAP, ...ipv4)),
      HOST,
      BSS,
    ],
    [
      "802.11 between access points",
      captured(LINK_TYPES.ieee80211, ...WLAN(0x08, 0x03, [FAR_AP, AP, GROUP_MAC, MAC], ...SNAP, ...ipv4)),
      HOST,
      "untagged",
    ],
    ["radiotap without fields", captured(LINK_TYPES.radiotap, ...RADIOTAP(0), ...toAp), HOST, BSS],
    [
      "radiotap with time and flags, and a header padded to four octets",
      captured(
        LINK_TYPES.radiotap,
        ...RADIOTAP(3, 1, 2, 3, 4, 5, 6, 7, 8, 0x20),
        ...WLAN(0x88, 0x01, [AP, MAC, GROUP_MAC], 0, 0, 0xee, 0xee, ...SNAP, ...ipv4),
      ),
      HOST,
      BSS,
    ],
  ];
}
