// What each host holds of an interface's room, and whether it may have more. Nobody is put out for another: a picture that plays plays on.
// Instead the last room is kept back, by dynamic thresholds (Choudhury and Hahne 1998), for whoever has less.
//
// Groups. The place of a group counts for the host that brought it, for as long as the group is there: a leave passes it on to somebody
// who stays, if that one has few. Joining a group that is there takes none. While half of all places are free everybody has as many as it
// likes, so that what stands behind one MAC may be a whole house, or the next proxy. Of the other half a host may bring its first few, and
// fewer the less is left, down to two: a picture, and the next one while the last is still asked about. So each invented host takes two
// places of the last eighth, and whoever has none finds one until more of them are there than an eighth of all places.
//
// Sources, and what is tracked. One part in 32 is kept for the first few of each host, and of the part before that a host beyond its first
// few may never hold more than what is left.
//
// Anybody may invent MACs, and no ports: of the last 64th the same holds for all behind one port.
import { type Address, isUnspecified } from "../base/address.ts";
import { DeadlineHeap, type Scheduled } from "../base/deadline-heap.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, between, type Instant, seconds } from "../base/time.ts";
import { type HostPattern, isMeant } from "./host-pattern.ts";

/** Who: the interface is the table's own. Empty port or MAC where they are not known (packets show neither). */
export interface TrackedHost<A extends Address = Ipv4> {
  readonly port: string;
  readonly address: A;
  readonly mac: string;
  /**
   * The VLAN that its frames are in on the port, 1 to 4094 (core/igmp/messages/lan-frame.ts); absent where that is none, or not known, and
   * of a packet, which never shows it.
   */
  readonly vlan?: number;
}

/**
 * Why a host gets no further membership, or no further source of one. host-groups, port-groups, host-sources, port-sources: it, or all
 * behind its port, have as many as they may. host-rate: it joins too quickly. host-share, port-share: the room that is left is for hosts that
 * have less, or for ports whose hosts have less.
 */
export type ShareDrop =
  | "igmp.host-groups"
  | "igmp.port-groups"
  | "igmp.host-sources"
  | "igmp.port-sources"
  | "igmp.host-rate"
  | ShareOfRoom;

/** The room that is left is for others. */
export type ShareOfRoom = "igmp.host-share" | "igmp.port-share";

/** What one host and one port may have; Infinity for no limit. */
export interface ShareLimits<A extends Address = Ipv4> {
  readonly groupsPerHost: number;
  /** Different ones: what several hosts behind a port watch counts once. */
  readonly groupsPerPort: number;
  /** Sources named, of all groups together. */
  readonly sourcesPerHost: number;
  readonly sourcesPerPort: number;
  /** New memberships of one host, on average. */
  readonly joinsPerSecond: number;
  /** As many of them, or a second's worth if that is more, may come at once: a host that is asked tells all it has. Finite. */
  readonly joinsAtOnce: number;
  /** Hosts that speak for many: no limit of one host holds for them, and none but the last place is kept from them. */
  readonly proxies: readonly HostPattern<A>[];
}

/** Places of a table. */
export interface Room {
  readonly free: number;
  readonly total: number;
}

/** What one host holds. A host is a MAC on a port, or an address where no MAC is known. */
export interface HostShare<A extends Address = Ipv4> extends Scheduled {
  readonly key: string | A;
  readonly port: string;
  held: number;
  /** Sources named in what it holds. */
  sources: number;
  /** Groups that take a place because of it, of which it need not be a member any more. */
  places: number;
  /** Joins that it may do now, as counted at `countedAt`. */
  joins: number;
  countedAt: Instant;
}

/** What all hosts behind one port hold. */
interface PortShare<A extends Address = Ipv4> {
  /** How many of them hold each group. */
  readonly groups: Map<A, number>;
  /** Memberships, of whichever group. */
  held: number;
  sources: number;
}

/** A membership that a host has, or would have. */
export interface Holding<A extends Address = Ipv4> {
  readonly group: A;
  /** How many it names. */
  readonly sources: number;
}

/** Every host may hold so many while there is any room at all: two pictures, and what machines join by themselves (mDNS, SSDP, LLMNR). */
export const FIRST_GROUPS = 8;

/** Whether a host that holds `held` may have one of the places. */
export const hasRoom = (held: number, room: Room): boolean => room.free > 0 && !isGreedy(held, room);

/** More than half is taken. */
export const isShort = ({ free, total }: Room): boolean => total - free >= free;

/** What a host may bring of the last places all the same. */
const LAST_GROUPS = 2;

/** Whether a host that brought `places` groups may bring another. */
export function mayBring(places: number, room: Room): boolean {
  if (!isShort(room)) return true;
  const most = Math.max(LAST_GROUPS, (FIRST_GROUPS * 2 * room.free) / room.total);
  return room.free > 0 && places < most;
}

/** Members of a group that are looked at for one who takes its place over. */
const LOOKED_AT = 16;

const keptOf = (total: number): number => Math.max(FIRST_GROUPS, total / 32);

function isGreedy(held: number, { free, total }: Room): boolean {
  const kept = keptOf(total);
  return held >= FIRST_GROUPS && free - kept <= Math.min(kept, held);
}

/** The same of all behind a port together, from the last half of what is kept from greedy hosts. */
function isGreedyPort(held: number, { free, total }: Room): boolean {
  return held >= FIRST_GROUPS && free <= Math.min(keptOf(total) / 2, held);
}

/** The shares of one interface. What is kept is bounded by the memberships held, and by the joins of the last seconds. */
export class HostShares<A extends Address = Ipv4> {
  #limits: ShareLimits<A>;
  readonly #shares = new Map<string | A, HostShare<A>>();
  readonly #ports = new Map<string, PortShare<A>>();
  /** By group, whom its place counts for. */
  readonly #bringers = new Map<A, HostShare<A>>();
  /** Hosts that hold nothing, until their joins are forgotten. */
  readonly #idle = new DeadlineHeap<HostShare<A>>();

  constructor(limits: ShareLimits<A>) {
    this.#limits = limits;
  }

  /** New limits for what is new. */
  limit(limits: ShareLimits<A>): void {
    this.#limits = limits;
  }

  /** Hosts of which something is known. */
  get size(): number {
    return this.#shares.size;
  }

  /** Forgets hosts that hold nothing and may join as freely as any other. */
  forgetIdle(now: Instant): void {
    for (let idle = this.#idle.takeDue(now); idle !== undefined; idle = this.#idle.takeDue(now)) {
      this.#shares.delete(idle.key);
    }
  }

  /** Memberships of the host that its share of the room is measured by: none for one that speaks for many. */
  held(host: TrackedHost<A>): number {
    return this.isProxy(host) ? 0 : (this.#shares.get(shareKey(host))?.held ?? 0);
  }

  /** Groups that it brought: none for one that speaks for many. */
  places(host: TrackedHost<A>): number {
    return this.isProxy(host) ? 0 : (this.#shares.get(shareKey(host))?.places ?? 0);
  }

  /** The same of the sources that it names. */
  sources(host: TrackedHost<A>): number {
    return this.isProxy(host) ? 0 : (this.#shares.get(shareKey(host))?.sources ?? 0);
  }

  /** Whether the host is named as one that speaks for many. */
  isProxy(host: TrackedHost<A>): boolean {
    return this.#limits.proxies.some((pattern) => isMeant(pattern, host));
  }

  /** Why the host may not have one of the places; undefined when it may, or when there is none for anybody. */
  refuse(now: Instant, host: TrackedHost<A>, wanted: Holding<A>, room: Room): ShareDrop | undefined {
    const isBounded = this.#isBounded(host);
    const share = this.#shares.get(shareKey(host));
    if (isBounded && (share?.held ?? 0) >= this.#limits.groupsPerHost) return "igmp.host-groups";
    if (this.#portIsFull(host, wanted.group)) return "igmp.port-groups";
    const lacking = this.refuseSources(host, wanted.sources);
    if (lacking !== undefined) return lacking;
    if (isBounded && share !== undefined && this.#joins(now, share) < 1) return "igmp.host-rate";
    if (isGreedy(this.held(host), room)) return "igmp.host-share";
    return isGreedyPort(this.#behind(host)?.held ?? 0, room) ? "igmp.port-share" : undefined;
  }

  /** Whether the last of the room is for hosts behind other ports; `isTapped`: who may be behind any port has it only once that is known. */
  isPortGreedy(host: TrackedHost<A>, what: "groups" | "sources", room: Room, isTapped: boolean): boolean {
    if (isTapped && host.port === "") return !this.isProxy(host) && isGreedyPort(room.total, room);
    const port = this.#behind(host);
    return isGreedyPort((what === "groups" ? port?.groups.size : port?.sources) ?? 0, room);
  }

  /** What else its share of the room is measured by: nothing for one that speaks for many. */
  #behind(host: TrackedHost<A>): PortShare<A> | undefined {
    return this.isProxy(host) ? undefined : this.#ports.get(host.port);
  }

  /** Why the host may not name so many sources more. */
  refuseSources(host: TrackedHost<A>, more: number): ShareDrop | undefined {
    if (more <= 0) return undefined;
    const { sourcesPerHost, sourcesPerPort } = this.#limits;
    const named = this.#shares.get(shareKey(host))?.sources ?? 0;
    if (this.#isBounded(host) && named + more > sourcesPerHost) return "igmp.host-sources";
    const behindPort = this.#ports.get(host.port)?.sources ?? 0;
    return host.port !== "" && behindPort + more > sourcesPerPort ? "igmp.port-sources" : undefined;
  }

  #isBounded(host: TrackedHost<A>): boolean {
    return isOne(host) && !this.isProxy(host);
  }

  // Of a packet whose port is not known nothing can be counted by port.
  #portIsFull({ port }: TrackedHost<A>, group: A): boolean {
    const groups = this.#ports.get(port)?.groups;
    return port !== "" && (groups?.size ?? 0) >= this.#limits.groupsPerPort && groups?.has(group) !== true;
  }

  /** One membership more. */
  take(now: Instant, host: TrackedHost<A>, { group, sources }: Holding<A>): HostShare<A> {
    const share = this.#shares.get(shareKey(host)) ?? this.#add(now, host);
    this.#idle.schedule(share, undefined);
    share.joins = Math.max(0, this.#joins(now, share) - 1);
    share.countedAt = now;
    share.held++;
    this.#countBehind(share.port, group, 1);
    this.addSources(share, sources);
    if (!this.#bringers.has(group)) this.#bring(group, share);
    return share;
  }

  #bring(group: A, share: HostShare<A>): void {
    this.#bringers.set(group, share);
    share.places++;
  }

  /** The host of one share is that of the other now. */
  hand(group: A, from: HostShare<A>, to: HostShare<A>): void {
    if (from === to || this.#bringers.get(group) !== from) return;
    this.freePlace(group);
    this.#bring(group, to);
  }

  /** Who brought the group has left it: one of those who stay takes its place over, unless all that are looked at have many. */
  passOn(group: A, share: HostShare<A>, others: Iterable<{ readonly share: HostShare<A> }>): void {
    if (this.#bringers.get(group) !== share) return;
    let looks = 0;
    for (const { share: other } of others) {
      if (other.places < LAST_GROUPS) {
        this.hand(group, share, other);
        return;
      }
      if (++looks === LOOKED_AT) return;
    }
  }

  /** The group has no place any more. */
  freePlace(group: A): void {
    const share = this.#bringers.get(group);
    if (share === undefined) return;
    this.#bringers.delete(group);
    share.places--;
    this.#rest(share);
  }

  /** One membership less. */
  giveBack(share: HostShare<A>, { group, sources }: Holding<A>): void {
    share.held--;
    this.addSources(share, -sources);
    this.#rest(share);
    this.#countBehind(share.port, group, -1);
  }

  #rest(share: HostShare<A>): void {
    if (share.held === 0 && share.places === 0) this.#idle.schedule(share, this.#forgottenAt(share));
  }

  /** So many sources more, or less, of a membership that is there. */
  addSources(share: HostShare<A>, more: number): void {
    share.sources += more;
    const port = this.#ports.get(share.port);
    if (port !== undefined) port.sources += more;
  }

  #countBehind(name: string, group: A, more: 1 | -1): void {
    if (name === "") return;
    const port = this.#ports.get(name) ?? { groups: new Map<A, number>(), held: 0, sources: 0 };
    port.held += more;
    const hosts = (port.groups.get(group) ?? 0) + more;
    if (hosts > 0) port.groups.set(group, hosts);
    else port.groups.delete(group);
    if (port.groups.size > 0) this.#ports.set(name, port);
    else this.#ports.delete(name);
  }

  #add(now: Instant, host: TrackedHost<A>): HostShare<A> {
    const key = shareKey(host);
    const share: HostShare<A> = {
      due: undefined,
      place: -1,
      key,
      port: host.port,
      held: 0,
      sources: 0,
      places: 0,
      joins: this.#burst(),
      countedAt: now,
    };
    this.#shares.set(key, share);
    return share;
  }

  #burst(): number {
    return Math.max(1, this.#limits.joinsPerSecond, this.#limits.joinsAtOnce);
  }

  #joins(now: Instant, share: HostShare<A>): number {
    const { joinsPerSecond } = this.#limits;
    if (joinsPerSecond === Number.POSITIVE_INFINITY) return joinsPerSecond;
    return Math.min(this.#burst(), share.joins + (joinsPerSecond * between(share.countedAt, now)) / 1000);
  }

  /** When it may join as freely as one that nobody knows. */
  #forgottenAt(share: HostShare<A>): Instant {
    const { joinsPerSecond } = this.#limits;
    const missing = joinsPerSecond === Number.POSITIVE_INFINITY ? 0 : this.#burst() - share.joins;
    return after(share.countedAt, seconds(Math.max(0, missing / joinsPerSecond)));
  }
}

/** Without address and MAC it may be any number of hosts: only the room that is left bounds it. */
const isOne = ({ address, mac }: TrackedHost<Address>): boolean => mac !== "" || !isUnspecified(address);

const shareKey = <A extends Address>({ port, address, mac }: TrackedHost<A>): string | A =>
  mac !== "" ? `${port}|${mac}` : port !== "" ? `${port}|${address}` : address;
