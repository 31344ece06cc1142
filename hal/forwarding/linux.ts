// The kernel's multicast routing (linux/mroute.h) through the option calls of raw-socket or of our addon. One process a network
// namespace may hold it.
import { readFileSync } from "node:fs";
import { Counters } from "../../core/base/counters.ts";
import { type Ipv4, readIpv4, writeIpv4 } from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import type {
  Forwarding,
  ForwardingListener,
  ForwardingTable,
  MulticastRoute,
  RouteUse,
} from "../../core/ports/forwarding.ts";
import { ReceiveRoom } from "../native/socket.ts";
import { loadRawSocket, loadSockets } from "../native.ts";
import {
  int32,
  interfaceIndex,
  ipv4FromNativeHex,
  isPermission,
  writeNative16,
  writeNative32,
} from "../socket-options.ts";
import { type MakeMrouteSocket, type MrouteSocket, nativeMrouteSocket, rawMrouteSocket } from "./mroute-socket.ts";

const MRT_INIT = 200;
const MRT_DONE = 201;
const MRT_ADD_VIF = 202;
const MRT_DEL_VIF = 203;
const MRT_ADD_MFC = 204;
const MRT_DEL_MFC = 205;
const MRT_ASSERT = 207;

const MAXVIFS = 32;
const VIFF_USE_IFINDEX = 0x8;
const VIFCTL_OCTETS = 16;
const MFCCTL_OCTETS = 60;
const MFCC_GROUP = 4;
const MFCC_PARENT = 8;
const MFCC_TTLS = 10;

/** Packets with a TTL of 1 stay on their link; everything above is forwarded. */
const TTL_THRESHOLD = 1;

// struct igmpmsg: an upcall looks like an IPv4 header whose protocol is 0.
const UPCALL_TYPE = 8;
const UPCALL_ZERO = 9;
const UPCALL_VIF = 10;
const UPCALL_VIF_HIGH = 11;
const UPCALL_SOURCE = 12;
const UPCALL_GROUP = 16;
const UPCALL_OCTETS = 20;
const NOCACHE = 1;
const WRONGVIF = 2;

/** The header of an upcall is that of the packet that it tells of, options included. */
const LONGEST_UPCALL = 128;

/** Upcalls that make no sense, what was heard too early, and changes that the kernel refused. */
export type MrouteCount =
  | "mroute.short-upcall"
  | "mroute.unknown-upcall"
  /** Heard while the socket was being set up, before it was bound: from any interface. */
  | "mroute.before-ready"
  | "mroute.set-failed"
  | "mroute.remove-failed";

/** Needs CONFIG_IP_MROUTE, and root or CAP_NET_ADMIN and CAP_NET_RAW. */
export class LinuxForwarding implements Forwarding {
  readonly counts = new Counters<MrouteCount>();
  readonly #make: MakeMrouteSocket;

  /** With a way to make the socket; `load` and `loadNative` have one. */
  constructor(make: MakeMrouteSocket) {
    this.#make = make;
  }

  /** On raw-socket. Rejects with HalError "mroute.native-missing". */
  static async load(): Promise<LinuxForwarding> {
    return new LinuxForwarding(rawMrouteSocket(await loadRawSocket("mroute")));
  }

  /** On our addon. Rejects with HalError "mroute.native-missing". */
  static async loadNative(): Promise<LinuxForwarding> {
    return new LinuxForwarding(nativeMrouteSocket(await loadSockets("mroute"), new ReceiveRoom(LONGEST_UPCALL)));
  }

  open(listener: ForwardingListener): ForwardingTable {
    let socket: MrouteSocket | undefined;
    try {
      socket = this.#make();
      socket.setOption(MRT_INIT, int32(1));
      socket.setOption(MRT_ASSERT, int32(1));
      // Heard before it was bound; there are no virtual interfaces yet, so no upcall is among it.
      this.counts.count("mroute.before-ready", socket.drain().length);
    } catch (cause) {
      socket?.close();
      throw openError(cause);
    }
    return new LinuxForwardingTable(socket, listener, this.counts);
  }
}

function openError(cause: unknown): HalError {
  const text = textOf(cause);
  if (isPermission(cause))
    return new HalError("mroute.permission", `multicast routing is not permitted: ${text}`, {
      cause,
      needs: "root, or CAP_NET_RAW and CAP_NET_ADMIN",
      alternative: 'start it from the init script, or run without forwarding (`forwarding: "none"`)',
    });
  if (/in use/i.test(text))
    return new HalError("mroute.in-use", "another program holds multicast routing", {
      cause,
      needs: "that igmpproxy, omcproxy, mrouted, pimd or smcroute does not run in this network namespace",
      alternative: "stop and disable that program",
    });
  // ENOPROTOOPT: no such option.
  if (/protocol not available/i.test(text))
    return new HalError("mroute.unsupported", `this kernel has no multicast routing: ${text}`, {
      cause,
      needs: "a kernel with CONFIG_IP_MROUTE",
      alternative: 'relay each packet through this process (`forwarding: "relay"`), or bridge (`forwarding: "bridge"`)',
    });
  return new HalError("mroute.open-failed", `multicast routing cannot be opened: ${text}`, {
    cause,
    needs: "free file descriptors and memory, and links that are not flooded with IGMP",
    alternative: 'start it again, or run without forwarding (`forwarding: "none"`)',
  });
}

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

class LinuxForwardingTable implements ForwardingTable {
  readonly #socket: MrouteSocket;
  readonly #listener: ForwardingListener;
  readonly #counts: Counters<MrouteCount>;
  /** Interface names by virtual interface number. */
  readonly #vifs: (string | undefined)[] = new Array(MAXVIFS).fill(undefined);
  /** Free virtual interface numbers, that which has been free for longest first. */
  readonly #free: number[] = Array.from({ length: MAXVIFS }, (_, vif) => vif);
  readonly #routes = new Map<string, MulticastRoute>();
  #open = true;

  constructor(socket: MrouteSocket, listener: ForwardingListener, counts: Counters<MrouteCount>) {
    this.#socket = socket;
    this.#listener = listener;
    this.#counts = counts;
    socket.listen(
      (packet) => this.#received(packet),
      (cause) => this.#failed(cause),
    );
  }

  addInterface(name: string): void {
    if (this.#vifs.includes(name)) this.removeInterface(name);
    const index = interfaceIndex(name);
    const [vif] = this.#free;
    if (index === undefined) throw addError(name, "there is no such interface");
    if (vif === undefined) throw addError(name, `the kernel takes ${MAXVIFS} at most`);
    try {
      this.#option(MRT_ADD_VIF, vifctl(vif, index));
    } catch (cause) {
      throw addError(name, `the kernel refused it: ${textOf(cause)}`, cause);
    }
    this.#free.shift();
    this.#vifs[vif] = name;
  }

  removeInterface(name: string): void {
    const vif = this.#vifs.indexOf(name);
    if (vif < 0) return;
    this.#forget(name);
    this.#vifs[vif] = undefined;
    try {
      this.#option(MRT_DEL_VIF, vifctl(vif, 0));
    } catch {
      // EADDRNOTAVAIL: the interface is gone and the kernel has removed it already.
    }
    this.#free.push(vif);
    this.#readQueued();
  }

  set(route: MulticastRoute): void {
    const inbound = this.#vifs.indexOf(route.inbound);
    if (inbound < 0) {
      this.#counts.count("mroute.set-failed");
      return;
    }
    try {
      this.#option(MRT_ADD_MFC, mfcctl(route.source, route.group, inbound, this.#numbers(route.outbound)));
      this.#routes.set(keyOf(route.source, route.group), route);
    } catch {
      this.#counts.count("mroute.set-failed");
    }
  }

  remove(source: Ipv4, group: Ipv4): void {
    if (!this.#routes.delete(keyOf(source, group))) return;
    try {
      this.#option(MRT_DEL_MFC, mfcctl(source, group, 0, []));
    } catch {
      this.#counts.count("mroute.remove-failed");
    }
  }

  use(): readonly RouteUse[] {
    if (this.#routes.size === 0) return [];
    return parseCache(readFileSync("/proc/net/ip_mr_cache", "latin1")).filter(({ source, group }) =>
      this.#routes.has(keyOf(source, group)),
    );
  }

  dropped(): number | undefined {
    return this.#socket.dropped();
  }

  counts(): Readonly<Record<string, number>> {
    return this.#counts.snapshot();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#option(MRT_DONE, int32(1));
    } finally {
      this.#socket.close();
    }
  }

  /** A virtual interface's number is used again: no route may still name it. */
  #forget(name: string): void {
    for (const route of [...this.#routes.values()]) {
      if (route.inbound === name) this.remove(route.source, route.group);
      else if (route.outbound.includes(name))
        this.set({ ...route, outbound: route.outbound.filter((other) => other !== name) });
    }
  }

  #numbers(names: readonly string[]): readonly number[] {
    return names.map((name) => this.#vifs.indexOf(name)).filter((vif) => vif >= 0);
  }

  #option(option: number, value: Buffer): void {
    this.#socket.setOption(option, value);
  }

  /** Now, while the numbers mean what they meant when the upcalls were queued. */
  #readQueued(): void {
    for (const packet of this.#open ? this.#queued() : []) this.#received(packet);
  }

  #queued(): readonly Buffer[] {
    try {
      return this.#socket.drain();
    } catch (cause) {
      this.#failed(cause as Error);
      return [];
    }
  }

  #received(packet: Buffer): void {
    if (!this.#open) return;
    if (packet.length < UPCALL_OCTETS) this.#counts.count("mroute.short-upcall");
    else if (packet[UPCALL_ZERO] === 0) this.#upcall(packet, this.#listener);
    else this.#listener.igmp(packet);
  }

  #upcall(packet: Buffer, listener: ForwardingListener): void {
    const inbound = this.#vifs[(packet[UPCALL_VIF] ?? 0) | ((packet[UPCALL_VIF_HIGH] ?? 0) << 8)];
    if (inbound === undefined) return;
    const [source, group] = [readIpv4(packet, UPCALL_SOURCE), readIpv4(packet, UPCALL_GROUP)];
    if (packet[UPCALL_TYPE] === NOCACHE) listener.noRoute(source, group, inbound);
    else if (packet[UPCALL_TYPE] === WRONGVIF) listener.wrongInterface(source, group, inbound);
    else this.#counts.count("mroute.unknown-upcall");
  }

  #failed(cause: Error): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close();
    this.#listener.failed(new HalError("mroute.failed", `multicast routing failed: ${cause.message}`, { cause }));
  }
}

const keyOf = (source: Ipv4, group: Ipv4): string => `${source},${group}`;

const addError = (name: string, why: string, cause?: unknown): HalError =>
  new HalError("mroute.add-vif", `cannot route multicast on ${name}: ${why}`, { cause });

/** struct vifctl, by interface index. */
function vifctl(vif: number, index: number): Buffer {
  const octets = Buffer.alloc(VIFCTL_OCTETS);
  writeNative16(octets, 0, vif);
  octets[2] = VIFF_USE_IFINDEX;
  octets[3] = TTL_THRESHOLD;
  writeNative32(octets, 8, index);
  return octets;
}

/** struct mfcctl. */
function mfcctl(source: Ipv4, group: Ipv4, inbound: number, outbound: readonly number[]): Buffer {
  const octets = Buffer.alloc(MFCCTL_OCTETS);
  writeIpv4(octets, 0, source);
  writeIpv4(octets, MFCC_GROUP, group);
  writeNative16(octets, MFCC_PARENT, inbound);
  for (const vif of outbound) octets[MFCC_TTLS + vif] = TTL_THRESHOLD;
  return octets;
}

const CACHE_LINE = /^([0-9A-F]{8}) ([0-9A-F]{8}) (-?\d+) +(\d+) +(\d+) +(\d+)/;

/** /proc/net/ip_mr_cache: group and origin as native words, inbound number (-1: not resolved), packets (wrong arrivals included), bytes, wrong arrivals. */
export function parseCache(text: string): RouteUse[] {
  const uses: RouteUse[] = [];
  for (const line of text.split("\n")) {
    const [, group, source, inbound, packets, bytes, wrong] = CACHE_LINE.exec(line) ?? [];
    if (group === undefined || source === undefined || Number(inbound) < 0) continue;
    uses.push({
      source: ipv4FromNativeHex(source),
      group: ipv4FromNativeHex(group),
      packets: Number(packets) - Number(wrong),
      bytes: Number(bytes),
      wrong: Number(wrong),
    });
  }
  return uses;
}
