// One interface towards the source (RFC 4605 section 2): what may be asked for and sent there, and how fast.

import type { Address, AddressFamily } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { earliest, type Instant } from "../base/time.ts";
import { NO_SOURCE } from "../igmp/filter.ts";
import { MulticastHost, type MulticastHostEffect, type MulticastHostEvent } from "../igmp/host/host.ts";
import type { UpstreamChange } from "../igmp/proxy.ts";
import type { MembershipWire } from "../igmp/wire.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { UpstreamOptions } from "./options.ts";
import { covers, mayReceive } from "./policy/group-access.ts";
import { UpstreamPace } from "./upstream-pace.ts";

/** Host part, pace and rules. */
export class Upstream<A extends Address = Ipv4> {
  readonly host: MulticastHost<A>;
  readonly pace: UpstreamPace<A>;
  up = false;
  readonly #family: AddressFamily<A>;
  #options: UpstreamOptions<A>;

  constructor(wire: MembershipWire<A>, options: UpstreamOptions<A>, entropy: Entropy) {
    this.#family = wire.family;
    this.#options = options;
    this.pace = new UpstreamPace<A>(options);
    this.host = new MulticastHost<A>(wire, entropy, {
      version: options.version ?? 3,
      forceVersion: options.forceVersion ?? false,
      refresh: options.refresh ?? "auto",
      // The downstreams have limits of their own; what they took in is asked for.
      maxGroups: Number.POSITIVE_INFINITY,
    });
  }

  get name(): string {
    return this.#options.name;
  }

  /** As they are in force. */
  get options(): UpstreamOptions<A> {
    return this.#options;
  }

  /** Version and refresh stay as they were. */
  configure(options: UpstreamOptions<A>): void {
    this.#options = options;
    this.pace.configure(options);
  }

  /** How exactly this upstream is named for a group: bits of the prefix, 0 when it is for all groups, -1 when not for this one. */
  claim(group: A): number {
    const { groups = [] } = this.#options;
    if (groups.length === 0) return 0;
    return Math.max(-1, ...groups.filter((prefix) => covers(prefix, group)).map(({ length }) => length));
  }

  /** Whether the group crosses this boundary at all: it is asked for here, and what comes of it from here is delivered. */
  mayJoin(group: A): boolean {
    return mayReceive(group, this.#options.allow ?? [], this.#options.deny ?? [this.#family.localServices]);
  }

  /** Whether what a downstream sends to the group leaves here. */
  maySend(group: A): boolean {
    return (
      this.mayJoin(group) && !(this.#options.scope ?? [this.#family.localScope]).some((prefix) => covers(prefix, group))
    );
  }

  get sources(): UpstreamOptions<A>["sources"] {
    return this.#options.sources;
  }

  receive(now: Instant, event: MulticastHostEvent<A>): readonly MulticastHostEffect[] {
    return this.host.receive(now, event);
  }

  /** What the downstreams together want of a group of this upstream. */
  want(now: Instant, { group, filter }: UpstreamChange<A>): readonly MulticastHostEffect[] {
    return this.#tell(now, this.pace.take(now, { group, filter: this.mayJoin(group) ? filter : NO_SOURCE }));
  }

  /** Every group, without linger or bound, in as few reports as hold them. */
  leaveAll(now: Instant): readonly MulticastHostEffect[] {
    this.pace.endAll();
    return this.host.receive(now, { kind: "leave-all" });
  }

  poll(now: Instant): readonly MulticastHostEffect[] {
    return [...this.#tell(now, this.pace.poll(now)), ...this.host.poll(now)];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.pace.nextDeadline(), this.host.nextDeadline()]);
  }

  #tell(now: Instant, changes: readonly UpstreamChange<A>[]): readonly MulticastHostEffect[] {
    return changes.flatMap((change) => this.host.receive(now, { kind: "want", ...change }));
  }
}

/** The upstream of a group: that which names it most exactly, the first of equals; undefined when there is none. */
export function upstreamOf<A extends Address>(group: A, upstreams: Iterable<Upstream<A>>): Upstream<A> | undefined {
  let [best, most]: [Upstream<A> | undefined, number] = [undefined, -1];
  for (const one of upstreams) {
    const claim = one.claim(group);
    if (claim > most) [best, most] = [one, claim];
  }
  return best;
}
