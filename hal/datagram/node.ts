// UDP through node:dgram. Memberships are the kernel's: its IGMP host part reports and leaves.
//
// Linux gives a socket bound to a group every datagram of it that any socket of the machine has joined, on whichever interface
// (IP_MULTICAST_ALL, which node:dgram cannot turn off): before it has joined, after it has left, and from sources it did not name
// where the join is another interface's. Who is no member of its sender is therefore not told here. What is left: node:dgram does
// not tell the interface either, so a datagram of the right group and source is told whichever interface it came in by.
import dgram from "node:dgram";
import { Counters } from "../../core/base/counters.ts";
import { ANY, formatIpv4, type Ipv4, isMulticast, parseIpv4 } from "../../core/base/ipv4.ts";
import type {
  DatagramListener,
  DatagramOptions,
  DatagramSocket,
  Datagrams,
  InterfaceChoice,
  Membership,
} from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import { chosenAddress } from "./chosen-address.ts";
import { membershipError, openError } from "./errors.ts";
import { KernelQueues } from "./kernel-queues.ts";
import { sameMembership } from "./membership.ts";

/** What is counted and told to nobody. */
export type DatagramCount =
  | "datagram.send-failed"
  | "datagram.bad-origin"
  /** Of a group that this socket has not joined, or not for that source. */
  | "datagram.not-joined";

/** What happened to all sockets of this process, by name. */
export class NodeDatagrams implements Datagrams {
  readonly counts = new Counters<DatagramCount>();
  readonly #queues = new KernelQueues();

  async open(options: DatagramOptions, listener: DatagramListener): Promise<DatagramSocket> {
    const socket = dgram.createSocket({
      type: "udp4",
      reuseAddr: options.reuse ?? false,
      ...(options.receiveBuffer === undefined ? {} : { recvBufferSize: options.receiveBuffer }),
      lookup: literalAddress,
    });
    try {
      await bound(socket, options);
      applyMulticast(socket, options);
    } catch (error) {
      socket.close();
      throw openError(errnoOf(error), error, options);
    }
    return new NodeDatagramSocket(socket, options.address, listener, this.counts, this.#queues);
  }
}

/** Addresses are literals here, so the resolver's detour over the next tick is not needed. */
const literalAddress: NonNullable<dgram.SocketOptions["lookup"]> = (hostname, _options, callback) =>
  callback(null, hostname, 4);

function bound(socket: dgram.Socket, { address, port }: DatagramOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address: formatIpv4(address), port, exclusive: true }, () => {
      socket.off("error", reject);
      resolve();
    });
  });
}

function applyMulticast(socket: dgram.Socket, { multicast }: DatagramOptions): void {
  if (multicast === undefined) return;
  const out = addressText(multicast.interfaceAddress);
  if (out !== undefined) socket.setMulticastInterface(out);
  socket.setMulticastTTL(multicast.ttl ?? 1);
  socket.setMulticastLoopback(multicast.loopback ?? true);
}

/** undefined leaves the choice to the system. Throws where an interface that is named has none. */
function addressText(choice: InterfaceChoice): string | undefined {
  const address = chosenAddress(choice);
  return address === ANY ? undefined : formatIpv4(address);
}

const errnoOf = (cause: unknown): string => (cause as NodeJS.ErrnoException)?.code ?? String(cause);

class NodeDatagramSocket implements DatagramSocket {
  readonly port: number;
  readonly #socket: dgram.Socket;
  readonly #counts: Counters<DatagramCount>;
  #open = true;
  /** Streams go to one place and come from one: the last translation is kept. */
  #lastTo: Ipv4 = ANY;
  #lastToText = "0.0.0.0";
  #lastFromText = "";
  #lastFrom: Ipv4 = ANY;
  #lastIsHeard = false;
  /** The address it is bound to. */
  readonly #address: Ipv4;
  readonly #memberships: Membership[] = [];
  readonly #queues: KernelQueues;
  /** By which the kernel knows it; undefined while nobody has asked. */
  #inode: string | undefined;
  #overflows: number | undefined;

  constructor(
    socket: dgram.Socket,
    address: Ipv4,
    listener: DatagramListener,
    counts: Counters<DatagramCount>,
    queues: KernelQueues,
  ) {
    this.#socket = socket;
    this.#queues = queues;
    this.#address = address;
    this.#counts = counts;
    this.port = socket.address().port;
    socket.on("message", (payload, from) => this.#received(payload, from, listener));
    socket.on("error", (cause) => listener.failed(new HalError("datagram.failed", cause.message, { cause })));
  }

  join(membership: Membership): void {
    this.#change("join", membership);
  }

  leave(membership: Membership): void {
    this.#change("leave", membership);
  }

  send(payload: Uint8Array, to: Ipv4, toPort: number, sent?: (error?: HalError) => void): void {
    try {
      this.#socket.send(payload, toPort, this.#text(to), (cause) => this.#sent(cause, sent));
    } catch (cause) {
      this.#sent(cause, sent);
    }
  }

  /** Once it is closed: as at the last call. */
  overflows(): number | undefined {
    if (this.#open) this.#countOverflows();
    return this.#overflows;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close();
    if (this.#inode !== undefined) this.#queues.release(this.#inode);
  }

  #countOverflows(): void {
    this.#inode ??= this.#queues.claim(this.#address, this.port);
    if (this.#inode !== undefined) this.#overflows = this.#queues.droppedBy(this.#inode) ?? this.#overflows;
  }

  #received(payload: Uint8Array, from: dgram.RemoteInfo, listener: DatagramListener): void {
    if (from.address !== this.#lastFromText) {
      const parsed = parseIpv4(from.address);
      if (parsed === undefined) {
        this.#counts.count("datagram.bad-origin");
        return;
      }
      this.#lastFromText = from.address;
      this.#lastFrom = parsed;
      this.#lastIsHeard = this.#isHeard(parsed);
    }
    if (this.#lastIsHeard) listener.datagram(payload, this.#lastFrom, from.port);
    else this.#counts.count("datagram.not-joined");
  }

  /** Bound to one of our addresses, or to all, it hears what is not multicast too, and cannot tell which is which. */
  #isHeard(from: Ipv4): boolean {
    if (!isMulticast(this.#address)) return true;
    return this.#memberships.some(
      ({ group, source }) => group === this.#address && (source === undefined || source === from),
    );
  }

  #sent(cause: unknown, sent: ((error?: HalError) => void) | undefined): void {
    if (cause === null || cause === undefined) {
      sent?.();
      return;
    }
    this.#counts.count("datagram.send-failed");
    sent?.(new HalError("datagram.send", `cannot send (${errnoOf(cause)})`, { cause }));
  }

  #change(what: "join" | "leave", membership: Membership): void {
    const group = formatIpv4(membership.group);
    try {
      const through = addressText(membership.interfaceAddress);
      if (!isMulticast(membership.group)) throw new RangeError(`${group} is not a multicast address`);
      if (membership.source === undefined) this.#anySource(what, group, through);
      else this.#sourceSpecific(what, formatIpv4(membership.source), group, through);
    } catch (cause) {
      throw membershipError(what, group, errnoOf(cause), cause);
    }
    this.#remember(what, membership);
  }

  #remember(what: "join" | "leave", membership: Membership): void {
    const index = this.#memberships.findIndex((one) => sameMembership(one, membership));
    if (what === "join") this.#memberships.push(membership);
    else if (index >= 0) this.#memberships.splice(index, 1);
    // Who was heard is to be asked anew.
    this.#lastFromText = "";
  }

  #anySource(what: "join" | "leave", group: string, through: string | undefined): void {
    if (what === "join") this.#socket.addMembership(group, through);
    else this.#socket.dropMembership(group, through);
  }

  #sourceSpecific(what: "join" | "leave", source: string, group: string, through: string | undefined): void {
    if (what === "join") this.#socket.addSourceSpecificMembership(source, group, through);
    else this.#socket.dropSourceSpecificMembership(source, group, through);
  }

  #text(to: Ipv4): string {
    if (to !== this.#lastTo) {
      this.#lastTo = to;
      this.#lastToText = formatIpv4(to);
    }
    return this.#lastToText;
  }
}
