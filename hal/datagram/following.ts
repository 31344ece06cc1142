// Datagrams for interfaces that come and go. The kernel looks up an interface once, when a socket names it: here a socket is opened
// late, or opened anew when an interface is there (again), is another one, or has another address.
import type { Alarm, AlarmClock } from "../../core/base/alarm.ts";
import { Backoff, type Chance, exactly, type Schedule } from "../../core/base/backoff.ts";
import { ANY, type Ipv4 } from "../../core/base/ipv4.ts";
import { after, seconds } from "../../core/base/time.ts";
import type {
  DatagramListener,
  DatagramOptions,
  DatagramSocket,
  Datagrams,
  InterfaceChoice,
  Membership,
} from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { OwnAddresses } from "../links/own-addresses.ts";
import { choiceText } from "../links/words.ts";
import { sameMembership } from "./membership.ts";

/**
 * A socket that could not be opened although its addresses are there (another program has the port): tried again after 1 s, then
 * after 2, 4 ... 30 s; after 1 s again once it has lasted for 30.
 */
const REOPENING: Schedule = { first: seconds(1), ceiling: seconds(30), range: exactly, lasting: seconds(30) };

/** What a membership does whose interface is away, and what is needed to try again. */
export interface FollowingOptions {
  readonly clock: AlarmClock;
  readonly entropy: Chance;
  /** `join` where the interface is away. wait: it is done when that comes. fail: "datagram.interface-away". */
  readonly joinAway: "wait" | "fail";
}

/** Another driver's sockets, which follow these interfaces. */
export class FollowingDatagrams implements Datagrams {
  readonly #inner: Datagrams;
  readonly #addresses: OwnAddresses;
  readonly #options: FollowingOptions;

  constructor(inner: Datagrams, addresses: OwnAddresses, options: FollowingOptions) {
    this.#inner = inner;
    this.#addresses = addresses;
    this.#options = options;
  }

  /**
   * Resolves also while an interface that it needs is away: nothing is sent or heard until it is there. What fails later, when it is
   * there, is told to `listener.failed`, and opening is tried again.
   */
  async open(options: DatagramOptions, listener: DatagramListener): Promise<DatagramSocket> {
    const open = (): Promise<DatagramSocket> => this.#inner.open(options, listener);
    const socket = new FollowingSocket(open, options, listener, this.#addresses, this.#options);
    await socket.start();
    return socket;
  }
}

const OPENING = new HalError("datagram.opening", "the socket is being opened");

class FollowingSocket implements DatagramSocket {
  readonly #reopen: () => Promise<DatagramSocket>;
  /** What it can be opened only with: the address it is bound to, and the interface of its outgoing multicast. */
  readonly #needs: readonly InterfaceChoice[];
  readonly #port: number;
  readonly #listener: DatagramListener;
  readonly #addresses: OwnAddresses;
  readonly #options: FollowingOptions;
  readonly #memberships: Membership[] = [];
  /** Where one was left while that was away, which the kernel may hold until it is there. */
  readonly #unforgotten = new Set<InterfaceChoice>();
  readonly #unfollow: () => void;
  readonly #backoff = new Backoff(REOPENING);
  #retry: Alarm | undefined;
  #inner: DatagramSocket | undefined;
  /** Overflows of those that are closed. */
  #overflows: number | undefined;
  /** Counts openings, so that a socket which opens too late is closed again. */
  #turn = 0;
  /** Why there is no socket. Made once: it is told for every packet. */
  #lack: HalError = OPENING;

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
    this.#unfollow = addresses.onMove((choice) => this.#moved(choice));
  }

  /** Rejects as Datagrams.open does. */
  async start(): Promise<void> {
    const missing = this.#missing();
    if (missing !== undefined) {
      this.#lack = missing;
      return;
    }
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
    const isAway = this.#addresses.isAway(interfaceAddress);
    if (!isAway && this.#inner !== undefined) this.#inner.join(membership);
    else if (this.#options.joinAway === "fail") throw isAway ? this.#awayError(interfaceAddress) : this.#lack;
    this.#memberships.push(membership);
  }

  leave(membership: Membership): void {
    const at = this.#memberships.findIndex((one) => sameMembership(one, membership));
    if (at >= 0) this.#memberships.splice(at, 1);
    if (!this.#addresses.isAway(membership.interfaceAddress)) this.#inner?.leave(membership);
    else if (!this.#forget(membership)) this.#unforgotten.add(membership.interfaceAddress);
  }

  /** False when the kernel cannot tell whose membership it was, or holds none. */
  #forget(membership: Membership): boolean {
    try {
      this.#inner?.leave(membership);
      return true;
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      return false;
    }
  }

  send(payload: Uint8Array, to: Ipv4, toPort: number, sent?: (error?: HalError) => void): void {
    if (this.#inner === undefined) sent?.(this.#lack);
    else this.#inner.send(payload, to, toPort, sent);
  }

  overflows(): number | undefined {
    const now = this.#inner?.overflows();
    return now === undefined ? this.#overflows : now + (this.#overflows ?? 0);
  }

  close(): void {
    this.#unfollow();
    this.#turn++;
    this.#retry?.cancel();
    this.#inner?.close();
  }

  #shut(): void {
    this.#turn++;
    this.#retry?.cancel();
    this.#overflows = this.overflows();
    this.#inner?.close();
    this.#inner = undefined;
    this.#unforgotten.clear();
  }

  async #open(): Promise<void> {
    const turn = this.#turn;
    const inner = await this.#reopen();
    if (turn !== this.#turn) {
      inner.close();
      return;
    }
    this.#inner = inner;
    this.#backoff.works(this.#options.clock.now());
    this.#joinAll(
      inner,
      this.#memberships.filter(({ interfaceAddress }) => !this.#addresses.isAway(interfaceAddress)),
    );
  }

  /**
   * A membership cannot be made anew on the old socket: the kernel may count the one of an interface that has gone until the socket is
   * closed (net.ipv4.igmp_max_memberships), and end it by no name.
   */
  #moved(choice: InterfaceChoice): void {
    const isJoined = this.#memberships.some(({ interfaceAddress }) => interfaceAddress === choice);
    if (isJoined || this.#needs.includes(choice) || this.#unforgotten.has(choice)) this.#openAnew();
  }

  #missing(): HalError | undefined {
    const missing = this.#needs.find((one) => this.#addresses.isAway(one));
    return missing === undefined ? undefined : this.#awayError(missing);
  }

  #openAnew(): void {
    this.#shut();
    const missing = this.#missing();
    this.#lack = missing ?? OPENING;
    if (missing !== undefined) return;
    const turn = this.#turn;
    this.#open().catch((error: unknown) => this.#openFailed(turn, error));
  }

  #openFailed(turn: number, error: unknown): void {
    if (!(error instanceof HalError)) throw error;
    if (turn !== this.#turn) return;
    this.#lack = error;
    const { clock, entropy } = this.#options;
    const now = clock.now();
    this.#retry = clock.alarm(after(now, this.#backoff.failed(now, entropy)), () => this.#openAnew());
    this.#listener.failed(error);
  }

  /** One that cannot be joined keeps no other from it; told at the end, because who hears of it may leave or close. */
  #joinAll(inner: DatagramSocket, memberships: readonly Membership[]): void {
    const failures = memberships.flatMap((one) => joinFailure(inner, one) ?? []);
    for (const failure of failures) this.#listener.failed(failure);
  }

  #awayError(choice: InterfaceChoice): HalError {
    const needs =
      typeof choice === "string"
        ? `the interface ${choice}, up and with an IPv4 address`
        : `an interface with the address ${choiceText(choice)}`;
    return new HalError("datagram.interface-away", this.#addresses.lackOf(choice), {
      needs,
      alternative: "name another interface, or 0.0.0.0 to leave the choice to the kernel",
    });
  }
}

function joinFailure(inner: DatagramSocket, membership: Membership): HalError | undefined {
  try {
    inner.join(membership);
    return undefined;
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    return error;
  }
}
