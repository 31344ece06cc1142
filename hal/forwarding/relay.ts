// Multicast relayed packet by packet in this process, for kernels without CONFIG_IP_MROUTE: heard at the link layer, sent by raw sockets.
// What the kernel's own forwarding can and this cannot: fragment what is longer than the outgoing MTU, forward what this machine itself
// sends, pass netfilter's forward hook, and do it without waking a process. Needs root or CAP_NET_RAW.
import { readFileSync } from "node:fs";
import { Counters } from "../../core/base/counters.ts";
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import type {
  Forwarding,
  ForwardingListener,
  ForwardingTable,
  MulticastRoute,
  RouteUse,
} from "../../core/ports/forwarding.ts";
import { streamsOf } from "../native/filter.ts";
import { internetAddress, openMulticastSender } from "../native/multicast-sender.ts";
import { isUnfilled, openPacketSocket } from "../native/packet-socket.ts";
import { NativeSocket, ReceiveRoom } from "../native/socket.ts";
import type { SocketsModule } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { interfaceIndex, isPermission, writeNative16 } from "../socket-options.ts";
import {
  checkRelayed,
  fillChecksum,
  groupOf,
  lengthOf,
  type RelayedPacketDrop,
  sourceOf,
  takeHop,
} from "./relayed-packet.ts";

const AF_UNIX = 1;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
/** In Linux's abstract namespace, of which each network namespace has its own: nothing is left on disk, whoever dies. */
const LOCK = "\0sealcast.relay";
const KERNELS_INTERFACES = "/proc/net/ip_mr_vif";

/** A jumbo frame; the rest of the machine's links carry less. */
const LARGEST_PACKET = 9216;
/** Room for some 3,500 packets of 1,356 octets: 70 ms of 500 Mbit/s. */
const QUEUE = 8 << 20;

// As Linux: unresolved entries, packets that wait in each, and how long in ms until it is asked again.
const WAITING_ENTRIES = 10;
const WAITING_PACKETS = 4;
const WAITING_FOR = 10_000;
/** Between two tellings of one entry's wrong interface, in ms (MFC_ASSERT_THRESH). */
const TELL_EVERY = 3000;

/** What the relay dropped, and why. */
export type RelayCount =
  | RelayedPacketDrop
  /** The last hop: a TTL of 1 stays on its link. */
  | "relay.ttl"
  /** Longer than our largest packet, as several that a card or a sender made one of are. */
  | "relay.too-long"
  /** Longer than the outgoing link's packets, and we do not fragment. */
  | "relay.too-big"
  | "relay.send-failed"
  /** More came in than we had time for. */
  | "relay.queue-full"
  /** Nobody has said where it goes, and as many wait as may. */
  | "relay.unresolved";

/** One process a network namespace relays, and none beside a kernel that forwards. */
export class RelayForwarding implements Forwarding {
  readonly #native: SocketsModule;

  /** With the addon given; `load` finds it. */
  constructor(native: SocketsModule) {
    this.#native = native;
  }

  /** Rejects with HalError "mroute.native-missing". */
  static async load(): Promise<RelayForwarding> {
    return new RelayForwarding(await loadSockets("mroute"));
  }

  open(listener: ForwardingListener): ForwardingTable {
    if (kernelForwards()) throw inUse("the kernel forwards multicast here already, for another program");
    return new RelayTable(this.#native, lock(this.#native), listener);
  }
}

/** Whether somebody has given the kernel interfaces to forward between. */
function kernelForwards(): boolean {
  try {
    return readFileSync(KERNELS_INTERFACES, "latin1").trim().split("\n").length > 1;
  } catch {
    // A kernel without multicast routing, for which this driver is.
    return false;
  }
}

function lock(native: SocketsModule): NativeSocket {
  let socket: NativeSocket | undefined;
  try {
    NativeSocket.make(native, new ReceiveRoom(1), [AF_PACKET, SOCK_DGRAM, 0]).close();
    socket = NativeSocket.make(native, new ReceiveRoom(1), [AF_UNIX, SOCK_DGRAM, 0]);
    socket.bind(unixAddress(LOCK));
    return socket;
  } catch (cause) {
    socket?.close();
    if (/in use/i.test(textOf(cause))) throw inUse("another router relays multicast here", cause);
    if (isPermission(cause))
      throw new HalError("mroute.permission", `relaying multicast is not permitted: ${textOf(cause)}`, {
        cause,
        needs: "root, or CAP_NET_RAW",
        alternative: 'run without forwarding (`forwarding: "none"`)',
      });
    throw new HalError("mroute.open-failed", `the relay cannot be opened: ${textOf(cause)}`, {
      cause,
      needs: "free file descriptors and memory",
    });
  }
}

/** struct sockaddr_un. */
function unixAddress(name: string): Buffer {
  const address = Buffer.alloc(2 + name.length);
  writeNative16(address, 0, AF_UNIX);
  address.write(name, 2, "latin1");
  return address;
}

const inUse = (message: string, cause?: unknown): HalError =>
  new HalError("mroute.in-use", message, {
    cause,
    needs: "that no other multicast router runs in this network namespace: every packet would be delivered twice",
    alternative: "stop and disable that program",
  });

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** One interface that is relayed from and to. */
interface Side {
  readonly name: string;
  readonly hearing: NativeSocket;
  readonly sending: NativeSocket;
}

interface Entry {
  route: MulticastRoute;
  /** Of the outbound interfaces those that are there. */
  sides: readonly Side[];
  readonly to: Buffer;
  packets: number;
  bytes: number;
  wrong: number;
  mayTellFrom: number;
}

interface Waiting {
  readonly packets: { readonly octets: Buffer; readonly on: Side }[];
  readonly until: number;
}

class RelayTable implements ForwardingTable {
  readonly #native: SocketsModule;
  readonly #lock: NativeSocket;
  readonly #listener: ForwardingListener;
  readonly #room = new ReceiveRoom(LARGEST_PACKET);
  readonly #sides = new Map<string, Side>();
  readonly #entries = new PairMap<Entry>();
  readonly #waiting = new PairMap<Waiting>();
  readonly #counts = new Counters<RelayCount>();
  /** By sockets that are closed. */
  #droppedBefore = 0;

  constructor(native: SocketsModule, locked: NativeSocket, listener: ForwardingListener) {
    this.#native = native;
    this.#lock = locked;
    this.#listener = listener;
  }

  addInterface(name: string): void {
    this.#shut(name);
    const index = interfaceIndex(name);
    if (index === undefined) throw addError(name, "there is no such interface");
    const made: NativeSocket[] = [];
    try {
      made.push(openMulticastSender(this.#native, this.#room, { name, index }));
      made.push(
        openPacketSocket(this.#native, this.#room, { index, hears: "packets", filter: streamsOf(index), queue: QUEUE }),
      );
      const [sending, hearing] = made as [NativeSocket, NativeSocket];
      const side = { name, hearing, sending };
      // An error is told once and read by that: an interface that is down (ENETDOWN) comes back, one that is gone is taken out.
      hearing.listen(
        (room, slot) => this.#heard(room, slot, side),
        () => {},
      );
      this.#sides.set(name, side);
    } catch (cause) {
      for (const socket of made) socket.close();
      throw addError(name, textOf(cause), cause);
    }
    for (const { route } of [...this.#entries.values()]) if (route.outbound.includes(name)) this.set(route);
  }

  removeInterface(name: string): void {
    this.#shut(name);
    for (const { route } of [...this.#entries.values()]) {
      if (route.inbound === name) this.remove(route.source, route.group);
      else if (route.outbound.includes(name))
        this.set({ ...route, outbound: route.outbound.filter((other) => other !== name) });
    }
  }

  prepare(): void {
    // It hears no reports.
  }

  set(route: MulticastRoute): void {
    const { source, group, inbound, outbound } = route;
    if (!this.#sides.has(inbound)) return;
    const sides = outbound.flatMap((name) => this.#sides.get(name) ?? []);
    const known = this.#entries.get(source, group);
    const none = { packets: 0, bytes: 0, wrong: 0, mayTellFrom: Number.NEGATIVE_INFINITY };
    this.#entries.set(source, group, { ...(known ?? { ...none, to: internetAddress(group) }), route, sides });
    const waiting = this.#waiting.get(source, group);
    this.#waiting.delete(source, group);
    for (const { octets, on } of waiting?.packets ?? []) this.#relay(octets, on);
  }

  remove(source: Ipv4, group: Ipv4): void {
    this.#entries.delete(source, group);
  }

  /** What it forwards ends with its process. */
  inherited(): readonly MulticastRoute[] {
    return [];
  }

  use(): readonly RouteUse[] {
    return Array.from(this.#entries.values(), ({ route: { source, group }, packets, bytes, wrong }) => ({
      source,
      group,
      packets,
      bytes,
      wrong,
    }));
  }

  /** We ask at once. */
  dropped(): number {
    return 0;
  }

  /** What it forwards ends with its process. */
  handOver(): boolean {
    return false;
  }

  counts(): Readonly<Record<string, number>> {
    const lost = [...this.#sides.values()].reduce((all, { hearing }) => all + hearing.dropped(), this.#droppedBefore);
    const full: Partial<Record<RelayCount, number>> = lost === 0 ? {} : { "relay.queue-full": lost };
    return { ...this.#counts.snapshot(), ...full };
  }

  close(): void {
    for (const name of [...this.#sides.keys()]) this.#shut(name);
    this.#entries.clear();
    this.#waiting.clear();
    this.#lock.close();
  }

  #shut(name: string): void {
    const side = this.#sides.get(name);
    if (side === undefined) return;
    this.#droppedBefore += side.hearing.dropped();
    this.#sides.delete(name);
    side.hearing.close();
    side.sending.close();
  }

  #heard(room: ReceiveRoom, slot: number, on: Side): void {
    const octets = room.octets(slot);
    const drop = room.length(slot) > octets.length ? "relay.too-long" : checkRelayed(octets);
    if (drop !== undefined) {
      this.#counts.count(drop);
      return;
    }
    if (isUnfilled(room, slot)) fillChecksum(octets);
    this.#relay(octets.length === lengthOf(octets) ? octets : octets.subarray(0, lengthOf(octets)), on);
  }

  #relay(packet: Buffer, on: Side): void {
    const [source, group] = [sourceOf(packet), groupOf(packet)];
    const entry = this.#entries.get(source, group);
    if (entry === undefined) this.#wait(packet, source, group, on);
    else if (entry.route.inbound === on.name) this.#send(packet, entry);
    else this.#wrong(entry, on.name);
  }

  #send(packet: Buffer, entry: Entry): void {
    entry.packets++;
    entry.bytes += packet.length;
    if (entry.sides.length === 0) return;
    if (!takeHop(packet)) {
      this.#counts.count("relay.ttl");
      return;
    }
    for (const { sending } of entry.sides) {
      const error = sending.send(packet, entry.to);
      if (error !== undefined) this.#counts.count(error.code === "EMSGSIZE" ? "relay.too-big" : "relay.send-failed");
    }
  }

  #wrong(entry: Entry, inbound: string): void {
    entry.wrong++;
    // As Linux without PIM: only an arrival on an outbound interface is told.
    if (!entry.route.outbound.includes(inbound) || performance.now() < entry.mayTellFrom) return;
    entry.mayTellFrom = performance.now() + TELL_EVERY;
    this.#listener.wrongInterface(entry.route.source, entry.route.group, inbound);
  }

  #wait(packet: Buffer, source: Ipv4, group: Ipv4, on: Side): void {
    const now = performance.now();
    const waiting = this.#waiting.get(source, group);
    if (waiting === undefined || waiting.until <= now) {
      this.#ask(packet, source, group, on, now);
      return;
    }
    if (waiting.packets.length < WAITING_PACKETS) waiting.packets.push({ octets: Buffer.from(packet), on });
    else this.#counts.count("relay.unresolved");
  }

  #ask(packet: Buffer, source: Ipv4, group: Ipv4, on: Side, now: number): void {
    this.#waiting.deleteIf(({ until }) => until <= now);
    if (this.#waiting.size >= WAITING_ENTRIES) {
      this.#counts.count("relay.unresolved");
      return;
    }
    this.#waiting.set(source, group, { packets: [{ octets: Buffer.from(packet), on }], until: now + WAITING_FOR });
    this.#listener.noRoute(source, group, on.name);
  }
}

/** By (source, group): a lookup for each packet, that makes nothing. */
class PairMap<Value> {
  readonly #groups = new Map<Ipv4, Map<Ipv4, Value>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(source: Ipv4, group: Ipv4): Value | undefined {
    return this.#groups.get(group)?.get(source);
  }

  set(source: Ipv4, group: Ipv4, value: Value): void {
    const sources = this.#groups.get(group) ?? new Map<Ipv4, Value>();
    this.#groups.set(group, sources);
    if (!sources.has(source)) this.#size++;
    sources.set(source, value);
  }

  delete(source: Ipv4, group: Ipv4): void {
    const sources = this.#groups.get(group);
    if (sources?.delete(source) !== true) return;
    this.#size--;
    if (sources.size === 0) this.#groups.delete(group);
  }

  deleteIf(isOver: (value: Value) => boolean): void {
    for (const [group, sources] of this.#groups)
      for (const [source, value] of sources) if (isOver(value)) this.delete(source, group);
  }

  *values(): Generator<Value> {
    for (const sources of this.#groups.values()) yield* sources.values();
  }

  clear(): void {
    this.#groups.clear();
    this.#size = 0;
  }
}

const addError = (name: string, why: string, cause?: unknown): HalError =>
  new HalError("mroute.add-vif", `cannot relay multicast on ${name}: ${why}`, { cause });
