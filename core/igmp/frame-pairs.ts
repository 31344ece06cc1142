// A message on a tapped bridge is heard twice, as a packet and as a frame, in either order. The packet decides; the frame is evidence of it.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { between, type Instant, seconds } from "../base/time.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { HostStatement } from "./messages/host-statement.ts";

/** How many (address, group) pairs are kept of either kind: as many records as some 80 full messages have. The oldest goes first. */
const MOST = 8192;

/** Of one address and group: an address has several cards at most where somebody invents them. */
const EACH = 8;

/** The two are heard within one turn of a loop, however long that is under load. */
const APART = seconds(10);

/** What a frame said before its packet came. */
export interface FrameAhead<A extends Address = Ipv4> {
  readonly host: TrackedHost<A>;
  readonly statement: HostStatement<A>;
  readonly heardAt: Instant;
}

/** Frames of one interface whose packets have not come yet, and packets not honoured whose frames have not. */
export class FramePairs<A extends Address = Ipv4> {
  readonly #ahead = new Map<string, readonly FrameAhead<A>[]>();
  readonly #refused = new Map<string, Instant>();

  /** The frame waits for its packet; those that wait no longer, as none came. */
  wait(ahead: FrameAhead<A>): readonly FrameAhead<A>[] {
    const key = pairKey(ahead.host, ahead.statement.group);
    const all = [...(this.#ahead.get(key) ?? []), ahead];
    this.#ahead.delete(key);
    this.#ahead.set(key, all.slice(-EACH));
    return [...all.slice(0, -EACH), ...this.#forget(ahead.heardAt)];
  }

  #forget(now: Instant): readonly FrameAhead<A>[] {
    const gone: FrameAhead<A>[] = [];
    for (const [key, all] of this.#ahead) {
      if (this.#ahead.size <= MOST && all.some((one) => isFresh(now, one.heardAt))) break;
      this.#ahead.delete(key);
      gone.push(...all);
    }
    return gone;
  }

  /** Whether the card has said something of the group that waits: what it says next comes after. */
  isAhead(now: Instant, host: TrackedHost<A>, group: A): boolean {
    return this.#waiting(now, host, group).some((one) => one.host.mac === host.mac);
  }

  #waiting(now: Instant, host: TrackedHost<A>, group: A): readonly FrameAhead<A>[] {
    return (this.#ahead.get(pairKey(host, group)) ?? []).filter(({ heardAt }) => isFresh(now, heardAt));
  }

  /** The packet of the host was honoured: what its frames said. */
  honoured(now: Instant, host: TrackedHost<A>, group: A): readonly FrameAhead<A>[] {
    this.#refused.delete(pairKey(host, group));
    return this.#take(now, host, group, Number.POSITIVE_INFINITY);
  }

  /** The packet of the host was not honoured: what its frame said; empty when it is still to come. */
  refused(now: Instant, host: TrackedHost<A>, group: A): readonly FrameAhead<A>[] {
    const taken = this.#take(now, host, group, 1);
    if (taken.length === 0) this.#note(now, pairKey(host, group));
    return taken;
  }

  #note(now: Instant, key: string): void {
    this.#refused.delete(key);
    this.#refused.set(key, now);
    if (this.#refused.size > MOST) this.#refused.delete(this.#refused.keys().next().value ?? "");
  }

  /** Whether a packet of the frame's host was not honoured just now; it is told once. */
  wasRefused(now: Instant, host: TrackedHost<A>, group: A): boolean {
    const key = pairKey(host, group);
    const at = this.#refused.get(key);
    this.#refused.delete(key);
    return at !== undefined && isFresh(now, at);
  }

  #take(now: Instant, host: TrackedHost<A>, group: A, most: number): readonly FrameAhead<A>[] {
    const key = pairKey(host, group);
    const all = this.#waiting(now, host, group);
    const taken = all.filter((one) => host.mac === "" || one.host.mac === host.mac).slice(0, most);
    const left = all.filter((one) => !taken.includes(one));
    if (left.length > 0) this.#ahead.set(key, left);
    else this.#ahead.delete(key);
    return taken;
  }
}

const isFresh = (now: Instant, at: Instant): boolean => between(at, now) < APART;

/** Without the MAC, which not every driver shows of a packet. */
const pairKey = <A extends Address>({ address }: TrackedHost<A>, group: A): string => `${address}|${group}`;
