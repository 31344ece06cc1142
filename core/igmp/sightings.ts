// Where taps saw each host: a packet does not show its bridge port, and not with every driver its MAC. Anybody may invent hosts, so bounded.
import { type Address, isUnspecified } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { TrackedHost } from "./host-shares.ts";

/** How many addresses are remembered; the one not seen for longest goes first. */
const MOST = 4096;

/** The hosts of one interface by their frames. */
export class Sightings<A extends Address = Ipv4> {
  /** By address, then by MAC; the address seen last is last. */
  readonly #seen = new Map<A, Map<string, TrackedHost<A>>>();

  /** A frame of the host came in. */
  note(host: TrackedHost<A>): void {
    const cards = this.#seen.get(host.address) ?? new Map<string, TrackedHost<A>>();
    this.#seen.delete(host.address);
    this.#seen.set(host.address, cards);
    // Of an address with many cards nothing can be told but that they are many.
    if (cards.size < 8 || cards.has(host.mac)) cards.set(host.mac, host);
    if (this.#seen.size <= MOST) return;
    const [oldest] = this.#seen.keys();
    if (oldest !== undefined) this.#seen.delete(oldest);
  }

  /** The host of a packet with all that is known of it: without a MAC that is nothing where its address has several. */
  complete(host: TrackedHost<A>): TrackedHost<A> {
    if (host.port !== "") return host;
    const cards = this.#seen.get(host.address);
    if (host.mac !== "") return cards?.get(host.mac) ?? host;
    const [one, another] = cards?.values() ?? [];
    return one === undefined || another !== undefined || isUnspecified(host.address) ? host : one;
  }

  /** Nobody listens to its ports any more. */
  clear(): void {
    this.#seen.clear();
  }
}

/** Refusals of packets whose frame was not there yet; the newest only, as a frame follows its packet at once or not at all. */
export class Unlocated<A extends Address = Ipv4> {
  readonly #refused = new Set<string>();

  /** The host was refused the group. */
  note({ address }: TrackedHost<A>, group: A): void {
    this.#refused.add(`${address}|${group}`);
    if (this.#refused.size > 64) this.#refused.delete(this.#refused.values().next().value ?? "");
  }

  /** Whether a packet of the host was refused the group; it is told once. */
  take({ address }: TrackedHost<A>, group: A): boolean {
    return this.#refused.delete(`${address}|${group}`);
  }
}
