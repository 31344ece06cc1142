// UDP on a node of the simulated network. Memberships are the node's: its simulated IGMP host reports and leaves them.
import { ANY, formatIpv4, type Ipv4, isMulticast } from "../../core/base/ipv4.ts";
import type {
  DatagramListener,
  DatagramOptions,
  DatagramSocket,
  Datagrams,
  InterfaceChoice,
  Membership,
} from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import { choiceText } from "../links/words.ts";
import type { SimulatedInterface, SimulatedNode } from "../simulation/node.ts";
import type { SimulatedPacket } from "../simulation/packet.ts";

/** As net.ipv4.igmp_max_memberships is by default on Linux. */
const MEMBERSHIP_LIMIT = 20;
const FIRST_EPHEMERAL = 32768;
const MOST_OCTETS = 65507;

/** All sockets of one node. */
export class SimulatedDatagrams implements Datagrams {
  readonly #node: SimulatedNode;
  readonly #sockets = new Set<SimulatedSocket>();
  #ephemeral = FIRST_EPHEMERAL;

  constructor(node: SimulatedNode) {
    this.#node = node;
    node.receivers.add((packet, on) => this.#received(packet, on));
  }

  async open(options: DatagramOptions, listener: DatagramListener): Promise<DatagramSocket> {
    const { address } = options;
    if (address !== ANY && !isMulticast(address) && this.#node.byAddress(address) === undefined)
      throw new HalError("datagram.address", `no interface has ${formatIpv4(address)}`);
    const port = options.port === 0 ? this.#freePort() : options.port;
    for (const other of this.#sockets)
      if (other.clashes(port, options)) throw new HalError("datagram.in-use", `UDP port ${port} is taken`);
    const socket = new SimulatedSocket(this.#node, port, options, listener, () => this.#sockets.delete(socket));
    this.#sockets.add(socket);
    return socket;
  }

  #freePort(): number {
    const taken = new Set([...this.#sockets].map((socket) => socket.port));
    while (taken.has(this.#ephemeral)) this.#ephemeral++;
    return this.#ephemeral++;
  }

  #received(packet: SimulatedPacket, on: SimulatedInterface): void {
    if (packet.kind !== "udp") return;
    for (const socket of [...this.#sockets]) socket.offer(packet, on);
  }
}

class SimulatedSocket implements DatagramSocket {
  readonly port: number;
  readonly #node: SimulatedNode;
  readonly #options: DatagramOptions;
  readonly #listener: DatagramListener;
  readonly #memberships: { readonly on: string; readonly group: Ipv4; readonly source: Ipv4 | undefined }[] = [];
  readonly #closed: () => void;
  #open = true;

  constructor(
    node: SimulatedNode,
    port: number,
    options: DatagramOptions,
    listener: DatagramListener,
    closed: () => void,
  ) {
    this.#node = node;
    this.port = port;
    this.#options = options;
    this.#listener = listener;
    this.#closed = closed;
  }

  clashes(port: number, { address, reuse }: DatagramOptions): boolean {
    if (port !== this.port || (reuse === true && this.#options.reuse === true)) return false;
    return address === this.#options.address || address === ANY || this.#options.address === ANY;
  }

  join(membership: Membership): void {
    const on = this.#interfaceFor(membership);
    if (!isMulticast(membership.group)) throw membershipError(`${formatIpv4(membership.group)} is not multicast`);
    if (this.#indexOf(membership, on.name) >= 0) throw membershipError("already a member");
    if (this.#memberships.length >= MEMBERSHIP_LIMIT) throw membershipError("too many groups on this socket");
    this.#memberships.push({ on: on.name, group: membership.group, source: membership.source });
    this.#node.memberships.add(on.name, membership.group, membership.source);
  }

  leave(membership: Membership): void {
    const on = this.#interfaceFor(membership);
    const index = this.#indexOf(membership, on.name);
    if (index < 0) throw membershipError("not a member");
    this.#memberships.splice(index, 1);
    this.#node.memberships.remove(on.name, membership.group, membership.source);
  }

  send(payload: Uint8Array, to: Ipv4, toPort: number, sent?: (error?: HalError) => void): void {
    const failure = this.#transmit(payload, to, toPort);
    this.#node.network.clock.alarm(this.#node.network.clock.now(), () => sent?.(failure));
  }

  overflows(): number {
    return 0;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const { on, group, source } of this.#memberships) this.#node.memberships.remove(on, group, source);
    this.#closed();
  }

  /** Takes the packet when port, bound address and membership say so (the kernel's ip_mc_sf_allow). */
  offer(packet: SimulatedPacket & { kind: "udp" }, on: SimulatedInterface): void {
    const { address } = this.#options;
    if (packet.destinationPort !== this.port || (address !== ANY && address !== packet.destination)) return;
    if (isMulticast(packet.destination) && !this.#isMember(packet, on.name)) return;
    this.#listener.datagram(packet.bytes.slice(), packet.source, packet.sourcePort);
  }

  #isMember(packet: SimulatedPacket, on: string): boolean {
    return this.#memberships.some(
      (m) => m.on === on && m.group === packet.destination && (m.source === undefined || m.source === packet.source),
    );
  }

  #transmit(bytes: Uint8Array, destination: Ipv4, destinationPort: number): HalError | undefined {
    if (!this.#open) return new HalError("datagram.send", "the socket is closed");
    if (bytes.length > MOST_OCTETS) return new HalError("datagram.send", "the datagram is too long");
    const through = this.#outOf(destination);
    if (through === undefined || !through.up) return new HalError("datagram.send", "no route");
    const packet = this.#packet(bytes.slice(), destination, destinationPort, through);
    if (isMulticast(destination)) this.#multicast(packet, through);
    else if (this.#node.byAddress(destination) !== undefined) this.#loop(packet, through);
    else through.transmit(packet);
    return undefined;
  }

  #packet(bytes: Uint8Array, destination: Ipv4, destinationPort: number, through: SimulatedInterface) {
    const { address, multicast } = this.#options;
    const source = address === ANY || isMulticast(address) ? through.address : address;
    const ttl = isMulticast(destination) ? (multicast?.ttl ?? 1) : 64;
    return { kind: "udp", source, destination, sourcePort: this.port, destinationPort, ttl, bytes } as const;
  }

  #multicast(packet: SimulatedPacket, through: SimulatedInterface): void {
    through.transmit(packet);
    if (this.#options.multicast?.loopback ?? true) this.#loop(packet, through);
  }

  /** Local delivery happens after this call, as a kernel's does. */
  #loop(packet: SimulatedPacket, on: SimulatedInterface): void {
    this.#node.network.clock.alarm(this.#node.network.clock.now(), () =>
      this.#node.received({ ...packet, bytes: packet.bytes.slice() }, on),
    );
  }

  #outOf(destination: Ipv4): SimulatedInterface | undefined {
    const chosen = this.#options.multicast?.interfaceAddress ?? ANY;
    if (isMulticast(destination) && chosen !== ANY) return this.#chosen(chosen);
    return this.#node.byAddress(destination) ?? this.#node.route(destination);
  }

  #interfaceFor({ interfaceAddress, group }: Membership): SimulatedInterface {
    const found = interfaceAddress === ANY ? this.#node.route(group) : this.#chosen(interfaceAddress);
    if (found === undefined) throw membershipError(`no interface is ${choiceText(interfaceAddress)}`);
    return found;
  }

  #chosen(choice: InterfaceChoice): SimulatedInterface | undefined {
    return typeof choice === "string" ? this.#node.interface(choice) : this.#node.byAddress(choice);
  }

  #indexOf({ group, source }: Membership, on: string): number {
    return this.#memberships.findIndex((m) => m.on === on && m.group === group && m.source === source);
  }
}

const membershipError = (why: string): HalError => new HalError("datagram.membership", why);
