// What the kernel says of its multicast routing: /proc/net/ip_mr_vif and /proc/net/ip_mr_cache (net/ipv4/ipmr.c).
import type { RouteUse } from "../../core/ports/forwarding.ts";
import { ipv4FromNativeHex } from "../socket-options.ts";

/** A virtual interface. */
export interface KernelInterface {
  readonly number: number;
  /** As the interface is called now. */
  readonly name: string;
  /** The kernel's number of the interface, with which the virtual one was made. */
  readonly index: number;
}

/** An entry that is resolved, by the numbers of virtual interfaces; `packets` without wrong arrivals. */
export interface KernelRoute extends RouteUse {
  readonly inbound: number;
  readonly outbound: readonly number[];
}

/** Number, name, octets and packets in, octets and packets out, flags, local address (of a union with the index, in the same order), remote address. */
const VIF_LINE = /^ *(\d+) +(\S+) +\d+ +\d+ +\d+ +\d+ +[0-9A-F]+ ([0-9A-F]{8}) [0-9A-F]{8}/;

/** /proc/net/ip_mr_vif. */
export function parseVifs(text: string): readonly KernelInterface[] {
  return text.split("\n").flatMap((line) => {
    const [, number, name, index] = VIF_LINE.exec(line) ?? [];
    if (number === undefined || name === undefined || index === undefined) return [];
    return [{ number: Number(number), name, index: Number.parseInt(index, 16) }];
  });
}

/** Group and origin as native words, inbound number (-1: not resolved), packets (wrong arrivals included), bytes, wrong arrivals. */
const CACHE_LINE = /^([0-9A-F]{8}) ([0-9A-F]{8}) (-?\d+) +(\d+) +(\d+) +(\d+)(.*)$/;
/** A virtual interface and the TTL that a packet must exceed there; 255, which means never, is not printed. */
const OUTBOUND = / (\d+):\d+/g;

/** /proc/net/ip_mr_cache, without the entries that wait for an answer. */
export const parseCache = (text: string): readonly KernelRoute[] =>
  entriesIn(text).filter(({ inbound }) => inbound >= 0);

/** Those that wait: the kernel has asked about them, and does not ask again for 10 s. */
export const parseUnresolved = (text: string): readonly Pick<KernelRoute, "source" | "group">[] =>
  entriesIn(text).filter(({ inbound }) => inbound < 0);

function entriesIn(text: string): readonly KernelRoute[] {
  return text.split("\n").flatMap((line) => {
    const [, group, source, inbound, packets, bytes, wrong, outbound = ""] = CACHE_LINE.exec(line) ?? [];
    if (group === undefined || source === undefined) return [];
    return [
      {
        source: ipv4FromNativeHex(source),
        group: ipv4FromNativeHex(group),
        inbound: Number(inbound),
        outbound: [...outbound.matchAll(OUTBOUND)].map(([, number]) => Number(number)),
        packets: Number(packets) - Number(wrong),
        bytes: Number(bytes),
        wrong: Number(wrong),
      },
    ];
  });
}
