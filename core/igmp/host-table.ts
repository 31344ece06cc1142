// Explicit host tracking (RFC 3376 A.2): who on this interface is a member of what, since when, and which message showed it.
import { ANY, type Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, earliest, type Instant } from "../base/time.ts";
import { filterOf, NO_SOURCE, type SourceFilter, sameFilter, wantsNothing } from "./filter.ts";
import type { HostMessage, HostStatement } from "./host-statement.ts";
import { isExclude } from "./report.ts";

/** full: no room for another (host, group). too-many-sources: the list was cut. */
export type HostDrop = "tracking.full" | "tracking.too-many-sources";

/**
 * left: it said so. expired: not heard for a group membership interval, or the group ended. moved: heard on another port.
 * down: the interface went.
 */
export type LeaveCause = "left" | "expired" | "moved" | "down";

/** Who: the interface is the table's own. Empty port or MAC where they are not known (packets show neither). */
export interface TrackedHost {
  readonly port: string;
  readonly address: Ipv4;
  readonly mac: string;
}

/** One host in one group. */
export interface HostMembership {
  readonly host: TrackedHost;
  readonly group: Ipv4;
  readonly filter: SourceFilter;
  readonly since: Instant;
  readonly lastSeen: Instant;
  /** The message that showed it last. */
  readonly message: HostMessage;
}

/** What a statement, or silence, changes. */
export type HostChange =
  | { readonly kind: "host-joined"; readonly membership: HostMembership }
  | { readonly kind: "host-left"; readonly membership: HostMembership; readonly cause: LeaveCause }
  | { readonly kind: "drop"; readonly reason: HostDrop };

interface Tracked {
  membership: HostMembership;
  expires: Instant;
}

/** How much is kept of one interface. */
export interface HostLimits {
  /** (host, group) pairs. */
  readonly memberships: number;
  /** Sources kept of one host for one group. */
  readonly sources: number;
}

/** The hosts of one interface. */
export class HostTable {
  #limits: HostLimits;
  readonly #groups = new Map<Ipv4, Map<string, Tracked>>();
  #size = 0;
  /** Never later than the first expiry. */
  #next: Instant | undefined;

  constructor(limits: HostLimits) {
    this.#limits = limits;
  }

  /** New limits; nothing that is kept goes. */
  limit(limits: HostLimits): void {
    this.#limits = limits;
  }

  /** Takes one statement of a host; `lifetime` is the group membership interval. */
  hear(now: Instant, host: TrackedHost, statement: HostStatement, lifetime: Duration): readonly HostChange[] {
    const key = `${host.port}|${host.address}|${host.mac}`;
    const known = this.#groups.get(statement.group)?.get(key);
    const wanted = afterStatement(known?.membership.filter ?? NO_SOURCE, statement);
    if (wantsNothing(wanted)) return known === undefined ? [] : [this.#leave(now, known, key, statement)];
    const filter = { ...wanted, sources: wanted.sources.slice(0, this.#limits.sources) };
    const cut: HostChange[] =
      filter.sources.length < wanted.sources.length ? [{ kind: "drop", reason: "tracking.too-many-sources" }] : [];
    if (known !== undefined) return [...cut, ...this.#refresh(now, known, filter, statement, lifetime)];
    const moved = this.#moved(host, statement.group);
    if (this.#size >= this.#limits.memberships) return [...cut, ...moved, { kind: "drop", reason: "tracking.full" }];
    const membership = { host, group: statement.group, filter, since: now, lastSeen: now, message: statement.message };
    this.#add(key, { membership, expires: after(now, lifetime) });
    return [...cut, ...moved, { kind: "host-joined", membership }];
  }

  /** The same address and MAC on another port is the same host, re-plugged or roaming: it is in one place only. */
  #moved(host: TrackedHost, group: Ipv4): HostChange[] {
    if (host.mac === "") return [];
    const elsewhere = [...(this.#groups.get(group) ?? [])].filter(
      ([, { membership }]) => membership.host.mac === host.mac && membership.host.address === host.address,
    );
    return elsewhere.map(([key, tracked]) => this.#remove(tracked, key, "moved"));
  }

  // 6.4: IS_IN and source changes of an EXCLUDE host do not renew it, so that a lost TO_IN heals at expiry.
  #refresh(
    now: Instant,
    known: Tracked,
    filter: SourceFilter,
    statement: HostStatement,
    lifetime: Duration,
  ): HostChange[] {
    const renews = filter.mode === "include" || isExclude(statement.type);
    const kept = sameFilter(filter, known.membership.filter) ? known.membership.filter : filter;
    known.membership = { ...known.membership, filter: kept, lastSeen: now, message: statement.message };
    if (renews) known.expires = after(now, lifetime);
    return [];
  }

  #add(key: string, tracked: Tracked): void {
    const group = tracked.membership.group;
    const hosts = this.#groups.get(group) ?? new Map<string, Tracked>();
    this.#groups.set(group, hosts.set(key, tracked));
    this.#size++;
    this.#next = earliest([this.#next, tracked.expires]);
  }

  #leave(now: Instant, tracked: Tracked, key: string, { message }: HostStatement): HostChange {
    tracked.membership = { ...tracked.membership, lastSeen: now, message };
    return this.#remove(tracked, key, "left");
  }

  #remove({ membership }: Tracked, key: string, cause: LeaveCause): HostChange {
    const hosts = this.#groups.get(membership.group);
    if (hosts?.delete(key)) this.#size--;
    if (hosts?.size === 0) this.#groups.delete(membership.group);
    return { kind: "host-left", membership, cause };
  }

  /** Ends what has not been heard for its lifetime. */
  poll(now: Instant): readonly HostChange[] {
    if (this.#next === undefined || this.#next > now) return [];
    const gone = [...this.#entries()].filter(([, tracked]) => tracked.expires <= now);
    const changes = gone.map(([key, tracked]) => this.#remove(tracked, key, "expired"));
    this.#next = earliest(this.#expiries());
    return changes;
  }

  /** Nobody was heard for a while: every membership has `span` from now. */
  confirm(now: Instant, span: Duration): void {
    const expires = after(now, span);
    for (const [, tracked] of this.#entries()) tracked.expires = expires;
    if (this.#size > 0) this.#next = expires;
  }

  nextDeadline(): Instant | undefined {
    return this.#next;
  }

  /** Ends every membership of a group: the link as a whole no longer wants it. */
  endGroup(group: Ipv4): readonly HostChange[] {
    const hosts = [...(this.#groups.get(group) ?? [])];
    return hosts.map(([key, tracked]) => this.#remove(tracked, key, "expired"));
  }

  /** Ends everything: the interface is down. */
  clear(): readonly HostChange[] {
    const all = [...this.#entries()];
    this.#next = undefined;
    return all.map(([key, tracked]) => this.#remove(tracked, key, "down"));
  }

  /**
   * Whether `statement`, from a host with this address, leaves nobody in the group as far as is known. Never true for 0.0.0.0, nor for
   * an address seen with two MACs or on two ports: they may be several hosts.
   */
  wouldBeLast(address: Ipv4, statement: HostStatement): boolean {
    if (address === ANY) return false;
    const members = [...(this.#groups.get(statement.group)?.values() ?? [])].map(({ membership }) => membership);
    if (members.length > 1 || members.some(({ host }) => host.address !== address)) return false;
    return wantsNothing(afterStatement(members[0]?.filter ?? NO_SOURCE, statement));
  }

  /** In the order of joining within each group. */
  memberships(): readonly HostMembership[] {
    return [...this.#entries()].map(([, tracked]) => tracked.membership);
  }

  *#entries(): Generator<[string, Tracked]> {
    for (const hosts of this.#groups.values()) yield* hosts;
  }

  *#expiries(): Generator<Instant> {
    for (const [, tracked] of this.#entries()) yield tracked.expires;
  }
}

/**
 * What a host wants after a statement. IS_IN may answer about some sources only (5.2) or be one of several (4.2.16), so it adds
 * and never takes away.
 */
export function afterStatement(filter: SourceFilter, { type, sources }: HostStatement): SourceFilter {
  const named = new Set(sources);
  const without = filter.sources.filter((source) => !named.has(source));
  switch (type) {
    case "is-ex":
    case "to-ex":
      return filterOf("exclude", sources);
    case "to-in":
      return filterOf("include", sources);
    case "is-in":
    case "allow":
      return filter.mode === "include"
        ? filterOf("include", [...filter.sources, ...sources])
        : filterOf("exclude", without);
    case "block":
      return filter.mode === "include"
        ? filterOf("include", without)
        : filterOf("exclude", [...filter.sources, ...sources]);
  }
}
