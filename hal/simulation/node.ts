// A node of the simulated network: interfaces (plain, or bridges with ports), and the places where the simulated drivers listen.
import { groupFrame } from "../../core/base/ethernet.ts";
import { ANY, type Ipv4, isMulticast } from "../../core/base/ipv4.ts";
import type { Link } from "../../core/ports/links.ts";
import type { Attachment, NetworkContext, SimulatedLan } from "./lan.ts";
import { NodeMemberships } from "./memberships.ts";
import { formatMac, type SimulatedPacket } from "./packet.ts";

/** Called for every packet that an interface takes in; `on` names the interface. */
export type PacketReceiver = (packet: SimulatedPacket, on: SimulatedInterface) => void;

/** How an interface is attached. */
export interface InterfaceOptions {
  readonly address: Ipv4;
  readonly prefixLength?: number;
  /** One LAN for a plain interface, or a LAN for each port of a bridge. */
  readonly lan: SimulatedLan | Readonly<Record<string, SimulatedLan>>;
}

/** Neighbours remembered per interface; the oldest goes first. */
const NEIGHBOUR_LIMIT = 1024;

/** One machine of the network. */
export class SimulatedNode {
  readonly name: string;
  readonly network: NetworkContext;
  /** Where the simulated drivers listen. */
  readonly receivers = new Set<PacketReceiver>();
  readonly linkWatchers = new Set<(name: string, link: Link | undefined) => void>();
  readonly tapWatchers = new Set<(port: string, frame: Uint8Array) => void>();
  /** Whether a bridge passes on what came in by one of its ports; all have to agree. */
  readonly bridgeFilters = new Set<(port: string, packet: SimulatedPacket) => boolean>();
  /** What this node's sockets have joined. */
  readonly memberships = new NodeMemberships();
  readonly #interfaces = new Map<string, SimulatedInterface>();
  #indices = 0;

  constructor(network: NetworkContext, name: string) {
    this.network = network;
    this.name = name;
  }

  attach(name: string, options: InterfaceOptions): SimulatedInterface {
    this.remove(name);
    const added = new SimulatedInterface(this, name, ++this.#indices, options);
    this.#interfaces.set(name, added);
    this.told(name);
    return added;
  }

  /** The interface vanishes, as a USB stick pulled or a tunnel closed. */
  remove(name: string): void {
    const gone = this.#interfaces.get(name);
    if (gone === undefined) return;
    gone.detach();
    this.#interfaces.delete(name);
    this.told(name);
  }

  interface(name: string): SimulatedInterface | undefined {
    return this.#interfaces.get(name);
  }

  interfaces(): Iterable<SimulatedInterface> {
    return this.#interfaces.values();
  }

  byAddress(address: Ipv4): SimulatedInterface | undefined {
    for (const one of this.#interfaces.values()) if (one.address === address) return one;
    return undefined;
  }

  /** Out of the interface whose network holds `destination`, else out of the first. */
  route(destination: Ipv4): SimulatedInterface | undefined {
    for (const one of this.#interfaces.values()) if (one.reaches(destination)) return one;
    return this.#interfaces.values().next().value;
  }

  /** Tells the watchers of links how `name` is now. */
  told(name: string): void {
    this.network.log(`${this.name} link ${name} ${linkWord(this.#interfaces.get(name))}`);
    for (const watcher of [...this.linkWatchers]) watcher(name, this.#interfaces.get(name)?.link());
  }

  received(packet: SimulatedPacket, on: SimulatedInterface): void {
    for (const receiver of [...this.receivers]) receiver(packet, on);
  }
}

const linkWord = (one: SimulatedInterface | undefined): string => {
  if (one === undefined) return "gone";
  return one.up ? "up" : "down";
};

/** A plain interface, or a bridge that floods between its ports. */
export class SimulatedInterface {
  readonly node: SimulatedNode;
  readonly name: string;
  readonly index: number;
  readonly address: Ipv4;
  readonly prefixLength: number;
  readonly mac: Uint8Array;
  readonly #ports: Port[];
  readonly #bridge: boolean;
  readonly #neighbours = new Map<Ipv4, string>();
  #up = true;

  constructor(node: SimulatedNode, name: string, index: number, options: InterfaceOptions) {
    this.node = node;
    this.name = name;
    this.index = index;
    this.address = options.address;
    this.prefixLength = options.prefixLength ?? 24;
    this.mac = node.network.nextMac();
    this.#bridge = !("transmit" in options.lan);
    const lans = "transmit" in options.lan ? { [name]: options.lan as SimulatedLan } : options.lan;
    this.#ports = Object.entries(lans).map(([port, lan]) => new Port(this, port, lan as SimulatedLan));
  }

  get up(): boolean {
    return this.#up;
  }

  setUp(up: boolean): void {
    if (up === this.#up) return;
    this.#up = up;
    this.node.told(this.name);
  }

  reaches(address: Ipv4): boolean {
    const shift = 32 - this.prefixLength;
    return this.address !== ANY && address >>> shift === this.address >>> shift;
  }

  link(): Link {
    return {
      name: this.name,
      index: this.index,
      up: this.#up,
      addresses: this.address === ANY ? [] : [{ address: this.address, prefixLength: this.prefixLength }],
      ports: this.#bridge ? this.#ports.map((port) => port.name) : [],
      ...(this.#bridge ? { snoops: false } : {}),
    };
  }

  neighbour(address: Ipv4): string | undefined {
    return this.#neighbours.get(address);
  }

  transmit(packet: SimulatedPacket): void {
    if (this.#up) for (const port of this.#ports) port.lan.transmit(port, packet, this.mac);
  }

  /** Out of one port of the bridge. */
  transmitBy(name: string, packet: SimulatedPacket): void {
    for (const port of this.#ports) if (this.#up && port.name === name) port.lan.transmit(port, packet, this.mac);
  }

  /** From a port: learn who said it, show it to the taps, let a bridge flood it, hand it to the node. */
  takeIn(packet: SimulatedPacket, from: Port, sourceMac: Uint8Array): void {
    this.#learn(packet.source, sourceMac);
    this.#tap(packet, from, sourceMac);
    const isPassed = [...this.node.bridgeFilters].every((passes) => passes(from.name, packet));
    for (const port of this.#ports) if (isPassed && port !== from) port.lan.transmit(port, packet, sourceMac);
    if (isMulticast(packet.destination) || this.node.byAddress(packet.destination) !== undefined)
      this.node.received(packet, this);
  }

  detach(): void {
    this.#up = false;
    for (const port of this.#ports) port.lan.detach(port);
  }

  #tap(packet: SimulatedPacket, from: Port, sourceMac: Uint8Array): void {
    if (packet.kind !== "igmp" || this.node.tapWatchers.size === 0) return;
    const frame = groupFrame(packet.bytes, sourceMac);
    for (const watcher of this.node.tapWatchers) watcher(from.name, frame);
  }

  #learn(source: Ipv4, mac: Uint8Array): void {
    if (source === ANY) return;
    this.#neighbours.delete(source);
    this.#neighbours.set(source, formatMac(mac));
    const oldest = this.#neighbours.keys().next().value;
    if (this.#neighbours.size > NEIGHBOUR_LIMIT && oldest !== undefined) this.#neighbours.delete(oldest);
  }
}

class Port implements Attachment {
  readonly name: string;
  readonly lan: SimulatedLan;
  readonly #owner: SimulatedInterface;

  constructor(owner: SimulatedInterface, name: string, lan: SimulatedLan) {
    this.#owner = owner;
    this.name = name;
    this.lan = lan;
    lan.attach(this);
  }

  get label(): string {
    return `${this.#owner.node.name}/${this.name}`;
  }

  get mac(): Uint8Array {
    return this.#owner.mac;
  }

  get up(): boolean {
    return this.#owner.up;
  }

  receive(packet: SimulatedPacket, sourceMac: Uint8Array): void {
    this.#owner.takeIn(packet, this, sourceMac);
  }
}
