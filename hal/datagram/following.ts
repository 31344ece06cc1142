// Datagrams for interfaces that come and go. The kernel looks up the interface of an address once, when a socket names it: here a
// socket is opened late, opened again, or made a member again when an interface has the address (again).
import { ANY, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import type {
  DatagramListener,
  DatagramOptions,
  DatagramSocket,
  Datagrams,
  Membership,
} from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { OwnAddresses } from "../links/own-addresses.ts";

/** What a membership does whose interface address is away. */
export interface FollowingOptions {
  /** `join` where the address is away. wait: it is done when the address comes. fail: "datagram.interface-away". */
  readonly joinAway: "wait" | "fail";
}

/** Another driver's sockets, which follow these addresses. */
export class FollowingDatagrams implements Datagrams {
  readonly #inner: Datagrams;
  readonly #addresses: OwnAddresses;
  readonly #options: FollowingOptions;

  constructor(inner: Datagrams, addresses: OwnAddresses, options: FollowingOptions) {
    this.#inner = inner;
    this.#addresses = addresses;
    this.#options = options;
  }

  /** Resolves also while an address that it needs is away: nothing is sent or heard until it is there. */
  async open(options: DatagramOptions, listener: DatagramListener): Promise<DatagramSocket> {
    const open = (): Promise<DatagramSocket> => this.#inner.open(options, listener);
    const socket = new FollowingSocket(open, options, listener, this.#addresses, this.#options);
    await socket.start();
    return socket;
  }
}

class FollowingSocket implements DatagramSocket {
  readonly #reopen: () => Promise<DatagramSocket>;
  /** Addresses that it can be opened only with: the one it is bound to, and the one of its outgoing multicast. */
  readonly #needs: readonly Ipv4[];
  readonly #port: number;
  readonly #listener: DatagramListener;
  readonly #addresses: OwnAddresses;
  readonly #options: FollowingOptions;
  readonly #memberships: Membership[] = [];
  readonly #unfollow: () => void;
  #inner: DatagramSocket | undefined;
  /** Counts openings, so that a socket which opens too late is closed again. */
  #turn = 0;
  /** Made once: it is told for every packet. */
  #unsent: HalError | undefined;

  constructor(
    reopen: () => Promise<DatagramSocket>,
    { address, port, multicast }: DatagramOptions,
    listener: DatagramListener,
    addresses: OwnAddresses,
    options: FollowingOptions,
  ) {
    this.#reopen = reopen;
    this.#needs = [address, multicast?.interfaceAddress ?? ANY];
    this.#port = port;
    this.#listener = listener;
    this.#addresses = addresses;
    this.#options = options;
    this.#unfollow = addresses.onMove((address) => this.#moved(address));
  }

  /** Rejects as Datagrams.open does. */
  async start(): Promise<void> {
    if (this.#missing() !== undefined) return;
    try {
      await this.#open();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get port(): number {
    return this.#inner?.port ?? this.#port;
  }

  join(membership: Membership): void {
    const { interfaceAddress } = membership;
    if (!this.#addresses.isAway(interfaceAddress) && this.#inner !== undefined) this.#inner.join(membership);
    else if (this.#options.joinAway === "fail") throw this.#awayError(interfaceAddress);
    this.#memberships.push(membership);
  }

  leave(membership: Membership): void {
    const at = this.#memberships.findIndex((one) => isSame(one, membership));
    if (at >= 0) this.#memberships.splice(at, 1);
    if (!this.#addresses.isAway(membership.interfaceAddress)) this.#inner?.leave(membership);
  }

  send(payload: Uint8Array, to: Ipv4, toPort: number, sent?: (error?: HalError) => void): void {
    if (this.#inner !== undefined) {
      this.#inner.send(payload, to, toPort, sent);
      return;
    }
    this.#unsent ??= this.#awayError(this.#missing() ?? ANY);
    sent?.(this.#unsent);
  }

  close(): void {
    this.#unfollow();
    this.#turn++;
    this.#inner?.close();
  }

  #shut(): void {
    this.#turn++;
    this.#inner?.close();
    this.#inner = undefined;
  }

  async #open(): Promise<void> {
    const turn = this.#turn;
    const inner = await this.#reopen();
    if (turn !== this.#turn) {
      inner.close();
      return;
    }
    this.#inner = inner;
    for (const membership of this.#memberships) inner.join(membership);
  }

  #moved(address: Ipv4): void {
    try {
      if (this.#needs.includes(address)) this.#openAnew();
      else this.#joinAnew(address);
    } catch (error) {
      this.#failed(error);
    }
  }

  #missing(): Ipv4 | undefined {
    return this.#needs.find((one) => this.#addresses.isAway(one));
  }

  #openAnew(): void {
    this.#shut();
    if (this.#missing() !== undefined) return;
    this.#open().catch((error: unknown) => this.#failed(error));
  }

  #joinAnew(address: Ipv4): void {
    for (const membership of this.#memberships) {
      if (membership.interfaceAddress !== address) continue;
      this.#forget(membership);
      this.#inner?.join(membership);
    }
  }

  /** The kernel may still hold the membership of the interface that has gone, or none: both are fine. */
  #forget(membership: Membership): void {
    try {
      this.#inner?.leave(membership);
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
    }
  }

  #failed(error: unknown): void {
    if (!(error instanceof HalError)) throw error;
    this.#listener.failed(error);
  }

  #awayError(address: Ipv4): HalError {
    return new HalError("datagram.interface-away", this.#addresses.lackOf(address), {
      needs: `an interface with the address ${formatIpv4(address)}`,
      alternative: "name another address, or 0.0.0.0 to leave the choice to the kernel",
    });
  }
}

const isSame = (a: Membership, b: Membership): boolean =>
  a.group === b.group && a.source === b.source && a.interfaceAddress === b.interfaceAddress;
