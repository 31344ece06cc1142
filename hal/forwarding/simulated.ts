// Multicast routing between the interfaces of a simulated node.
import { type Ipv4, ipv4, isLinkLocalMulticast, isMulticast } from "../../core/base/ipv4.ts";
import { hasRouterAlert } from "../../core/igmp/messages/ip-header.ts";
import { HalError } from "../../core/ports/errors.ts";
import type {
  Forwarding,
  ForwardingListener,
  ForwardingTable,
  MulticastRoute,
  RouteUse,
} from "../../core/ports/forwarding.ts";
import type { SimulatedInterface, SimulatedNode } from "../simulation/node.ts";
import type { SimulatedPacket } from "../simulation/packet.ts";

interface Entry {
  route: MulticastRoute;
  packets: number;
  bytes: number;
  wrong: number;
}

type UdpPacket = SimulatedPacket & { kind: "udp" };

/** Packets that wait for the answer to a noRoute, per (source, group): Linux keeps 4, and 10 unresolved entries. */
const WAITING_PACKETS = 4;
const WAITING_ENTRIES = 10;
const IPV4_AND_UDP_HEADER = 28;

/** Forwards between the interfaces of one node as the kernel would. */
export class SimulatedForwarding implements Forwarding {
  readonly #node: SimulatedNode;
  #held: SimulatedForwardingTable | undefined;
  #orphan: SimulatedForwardingTable | undefined;
  /** What is to be done when nobody takes over from the last one that handed over. */
  farewell: string | undefined;

  constructor(node: SimulatedNode) {
    this.#node = node;
  }

  open(listener: ForwardingListener): ForwardingTable {
    if (this.#held !== undefined) throw new HalError("mroute.in-use", "another program holds multicast routing");
    const left = this.#orphan?.end() ?? [];
    this.#orphan = undefined;
    const table = new SimulatedForwardingTable(this.#node, listener, left, {
      closed: () => {
        if (this.#held === table) this.#held = undefined;
        if (this.#orphan === table) this.#orphan = undefined;
      },
      left: (farewell) => {
        this.farewell = farewell;
        this.kill();
      },
    });
    this.#held = table;
    return table;
  }

  /** The holder dies: its routes forward on, it is told nothing more, and the next to open takes over. */
  kill(): void {
    this.#orphan = this.#held?.orphaned();
    this.#held = undefined;
  }
}

interface TableEnd {
  closed(): void;
  left(farewell: string): void;
}

class SimulatedForwardingTable implements ForwardingTable {
  readonly #node: SimulatedNode;
  #listener: ForwardingListener;
  readonly #inherited: readonly MulticastRoute[];
  readonly #interfaces = new Set<string>();
  readonly #entries = new Map<string, Entry>();
  readonly #waiting = new Map<string, { packet: UdpPacket; on: string }[]>();
  readonly #receiver = (packet: SimulatedPacket, on: SimulatedInterface): void => this.#received(packet, on);
  readonly #end: TableEnd;

  constructor(node: SimulatedNode, listener: ForwardingListener, inherited: readonly MulticastRoute[], end: TableEnd) {
    this.#node = node;
    this.#listener = listener;
    this.#inherited = inherited;
    for (const name of inherited.flatMap(({ inbound, outbound }) => [inbound, ...outbound])) this.#interfaces.add(name);
    for (const route of inherited) this.set(route);
    this.#end = end;
    node.receivers.add(this.#receiver);
  }

  addInterface(name: string): void {
    if (this.#node.interface(name) === undefined)
      throw new HalError("mroute.add-vif", `cannot route multicast on ${name}: there is no such interface`);
    this.#interfaces.add(name);
  }

  removeInterface(name: string): void {
    this.#interfaces.delete(name);
    for (const [key, { route }] of this.#entries) {
      if (route.inbound === name) this.#entries.delete(key);
      else if (route.outbound.includes(name))
        this.set({ ...route, outbound: route.outbound.filter((other) => other !== name) });
    }
  }

  prepare(): void {
    // It hears no reports.
  }

  set(route: MulticastRoute): void {
    if (!this.#interfaces.has(route.inbound)) return;
    const key = keyOf(route.source, route.group);
    const entry = this.#entries.get(key) ?? { route, packets: 0, bytes: 0, wrong: 0 };
    entry.route = route;
    this.#entries.set(key, entry);
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    for (const { packet, on } of waiting) this.#forward(packet, on);
  }

  remove(source: Ipv4, group: Ipv4): void {
    this.#entries.delete(keyOf(source, group));
  }

  inherited(): readonly MulticastRoute[] {
    return this.#inherited;
  }

  /** Forwards on, tells nobody. */
  orphaned(): this {
    this.#listener = NOBODY;
    return this;
  }

  /** What it held to the end. */
  end(): readonly MulticastRoute[] {
    const routes = Array.from(this.#entries.values(), ({ route }) => route);
    this.close();
    return routes;
  }

  dropped(): number {
    return 0;
  }

  counts(): Readonly<Record<string, number>> {
    return {};
  }

  use(): readonly RouteUse[] {
    return [...this.#entries.values()].map(({ route, packets, bytes, wrong }) => ({
      source: route.source,
      group: route.group,
      packets,
      bytes,
      wrong,
    }));
  }

  /** Nobody counts the time. */
  handOver(farewell: () => string): boolean {
    this.#end.left(farewell());
    return true;
  }

  close(): void {
    if (this.#node.receivers.delete(this.#receiver)) this.#end.closed();
    this.#entries.clear();
    this.#waiting.clear();
  }

  #received(packet: SimulatedPacket, on: SimulatedInterface): void {
    if (!this.#interfaces.has(on.name) || !isMulticast(packet.destination)) return;
    if (isLinkLocalMulticast(packet.destination)) return;
    if (packet.kind === "udp") this.#forward(packet, on.name);
    else if (!hasRouterAlert(packet.bytes)) this.#listener.igmp(packet.bytes);
  }

  #forward(packet: UdpPacket, on: string): void {
    const entry = this.#entries.get(keyOf(packet.source, packet.destination));
    if (entry === undefined) this.#wait(packet, on);
    else if (entry.route.inbound === on) this.#send(packet, entry);
    else this.#wrong(packet, on, entry);
  }

  #wrong({ source, destination }: UdpPacket, on: string, entry: Entry): void {
    entry.wrong++;
    // As Linux without PIM: only an arrival on an outbound interface is told.
    if (entry.route.outbound.includes(on)) this.#listener.wrongInterface(source, destination, on);
  }

  #send(packet: UdpPacket, entry: Entry): void {
    entry.packets++;
    entry.bytes += packet.bytes.length + IPV4_AND_UDP_HEADER;
    if (packet.ttl <= 1) return;
    for (const name of entry.route.outbound)
      if (this.#interfaces.has(name)) this.#node.interface(name)?.transmit({ ...packet, ttl: packet.ttl - 1 });
  }

  #wait(packet: UdpPacket, on: string): void {
    const key = keyOf(packet.source, packet.destination);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      if (waiting.length < WAITING_PACKETS) waiting.push({ packet, on });
      return;
    }
    if (this.#waiting.size >= WAITING_ENTRIES) this.#dropOldest();
    this.#waiting.set(key, [{ packet, on }]);
    this.#listener.noRoute(ipv4(packet.source), packet.destination, on);
  }

  #dropOldest(): void {
    const oldest = this.#waiting.keys().next().value;
    if (oldest !== undefined) this.#waiting.delete(oldest);
  }
}

const NOBODY: ForwardingListener = { noRoute() {}, wrongInterface() {}, igmp() {}, failed() {} };

const keyOf = (source: Ipv4, group: Ipv4): string => `${source},${group}`;
