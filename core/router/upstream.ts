// One interface towards the source (RFC 4605 section 2): what may be asked for and sent there, and how fast.

import type { Ipv4 } from "../base/ipv4.ts";
import { earliest, type Instant } from "../base/time.ts";
import { NO_SOURCE } from "../igmp/filter.ts";
import { MulticastHost, type MulticastHostEffect, type MulticastHostEvent } from "../igmp/host.ts";
import type { UpstreamChange } from "../igmp/proxy.ts";
import { IGMP } from "../igmp/wire.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { UpstreamOptions } from "./options.ts";
import { covers, type GroupPrefix, mayReceive } from "./policy/group-access.ts";
import { UpstreamPace } from "./upstream-pace.ts";

/** 239.255.0.0/16, the IPv4 Local Scope: its boundary is the smallest that a network can have (RFC 2365 6.1). */
const LOCAL_SCOPE: GroupPrefix = { group: 0xefff0000 as Ipv4, length: 16 };
/** Its last 256 groups are services of the LAN in every scope, as SSDP and SLP (RFC 2365 section 9). */
const LOCAL_SERVICES: GroupPrefix = { group: 0xefffff00 as Ipv4, length: 24 };

/** Host part, pace and rules. */
export class Upstream {
  readonly host: MulticastHost;
  readonly pace: UpstreamPace;
  up = false;
  #options: UpstreamOptions;

  constructor(options: UpstreamOptions, entropy: Entropy) {
    this.#options = options;
    this.pace = new UpstreamPace(options);
    this.host = new MulticastHost(IGMP, entropy, {
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
  get options(): UpstreamOptions {
    return this.#options;
  }

  /** Version and refresh stay as they were. */
  configure(options: UpstreamOptions): void {
    this.#options = options;
    this.pace.configure(options);
  }

  /** How exactly this upstream is named for a group: bits of the prefix, 0 when it is for all groups, -1 when not for this one. */
  claim(group: Ipv4): number {
    const { groups = [] } = this.#options;
    if (groups.length === 0) return 0;
    return Math.max(-1, ...groups.filter((prefix) => covers(prefix, group)).map(({ length }) => length));
  }

  /** Whether the group crosses this boundary at all: it is asked for here, and what comes of it from here is delivered. */
  mayJoin(group: Ipv4): boolean {
    return mayReceive(group, this.#options.allow ?? [], this.#options.deny ?? [LOCAL_SERVICES]);
  }

  /** Whether what a downstream sends to the group leaves here. */
  maySend(group: Ipv4): boolean {
    return this.mayJoin(group) && !(this.#options.scope ?? [LOCAL_SCOPE]).some((prefix) => covers(prefix, group));
  }

  get sources(): UpstreamOptions["sources"] {
    return this.#options.sources;
  }

  receive(now: Instant, event: MulticastHostEvent): readonly MulticastHostEffect[] {
    return this.host.receive(now, event);
  }

  /** What the downstreams together want of a group of this upstream. */
  want(now: Instant, { group, filter }: UpstreamChange): readonly MulticastHostEffect[] {
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

  #tell(now: Instant, changes: readonly UpstreamChange[]): readonly MulticastHostEffect[] {
    return changes.flatMap((change) => this.host.receive(now, { kind: "want", ...change }));
  }
}

/** The upstream of a group: that which names it most exactly, the first of equals; undefined when there is none. */
export function upstreamOf(group: Ipv4, upstreams: Iterable<Upstream>): Upstream | undefined {
  let [best, most]: [Upstream | undefined, number] = [undefined, -1];
  for (const one of upstreams) {
    const claim = one.claim(group);
    if (claim > most) [best, most] = [one, claim];
  }
  return best;
}
