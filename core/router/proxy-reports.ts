// What the routers behind the ports of a bridge are told in place of what its hosts say (RFC 4541 2.1.1 (2)): at each port one host
// speaks, for all that is wanted elsewhere, in the version of the router there.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { earliest, type Instant } from "../base/time.ts";
import { mergeFilters, type SourceFilter, wantsNothing } from "../igmp/filter.ts";
import { MulticastHost, type MulticastHostEffect, type MulticastHostEvent } from "../igmp/host/host.ts";
import { isQuery } from "../igmp/messages/packet.ts";
import type { IgmpVersion } from "../igmp/messages/query.ts";
import { MembershipDatabase, type UpstreamChange } from "../igmp/proxy.ts";
import type { HeardQuery } from "../igmp/query-guard.ts";
import type { MembershipWire } from "../igmp/wire.ts";
import type { Entropy } from "../ports/entropy.ts";

/** How we speak to them. */
export interface ProxyReportsOptions {
  /** The newest version. */
  readonly version: IgmpVersion;
  /** The source of our reports: none, as switches have it (RFC 4541 2.1.1 (2)), or the bridge's own, for routers that heed none else. */
  readonly source: "0.0.0.0" | "own";
}

/** By port the VLAN tag, 1 to 4094, that frames bear there; undefined: none. */
export type PortTags = Readonly<Record<string, number | undefined>>;

/** What the bridge is to do. */
export type ProxyEffect =
  /** Out of the bridge, by all its ports. */
  | { readonly kind: "send"; readonly packet: Uint8Array }
  /** Out of this port alone, with the tag of this VLAN where the frames there bear one. */
  | { readonly kind: "send-port"; readonly port: string; readonly packet: Uint8Array; readonly vlan?: number }
  /** The router there makes us speak this version (RFC 3376 7.2.1). */
  | { readonly kind: "upstream-mode"; readonly port: string; readonly version: IgmpVersion };

/** What is said at one port, for status. */
export interface ProxyView<A extends Address = Ipv4> {
  readonly port: string;
  readonly version: IgmpVersion;
  /** Whether somebody asks there. */
  readonly isAsked: boolean;
  /** How often everything was repeated because nobody does. */
  readonly refreshes: number;
  readonly groups: readonly UpstreamChange<A>[];
}

/** In the database: what all hosts want, and static groups. */
const [HOSTS, STATIC] = ["hosts", "static"];

/** No port is called so. */
const LINK = "";

/** What is known of a link that is up. */
interface LinkUp<A extends Address> {
  readonly address: A;
  readonly mtu: number | undefined;
}

/** Of one bridge. Bounded by what its downstream's tables hold, times its routers' ports. */
export class ProxyReports<A extends Address = Ipv4> {
  readonly #wire: MembershipWire<A>;
  readonly #entropy: Entropy;
  readonly #options: ProxyReportsOptions;
  readonly #wanted: MembershipDatabase<A>;
  /** By group, what the hosts behind each port want. */
  readonly #behind = new Map<A, Map<string, SourceFilter<A>>>();
  readonly #speakers = new Map<string, MulticastHost<A>>();
  /** The VLAN tags of the frames that came in last by a port: where nobody knows better. */
  readonly #tags = new Map<string, number>();
  #known: PortTags | undefined;
  /** The last general query that came in by each port, and under LINK the last of anybody who may ask here. */
  readonly #questions = new Map<string, Uint8Array>();
  #ports: readonly string[] = [];
  /** Where routers are told; undefined while they hear the hosts. */
  #told: readonly string[] | undefined;
  #link: LinkUp<A> | undefined;

  constructor(wire: MembershipWire<A>, entropy: Entropy, options: ProxyReportsOptions) {
    this.#wire = wire;
    this.#entropy = entropy;
    this.#options = options;
    this.#wanted = new MembershipDatabase<A>(wire.family);
  }

  /** The link is there, or anything of it changes. */
  up(now: Instant, address: A, mtu?: number): readonly ProxyEffect[] {
    this.#link = { address, mtu };
    return [...this.#each((host) => host.receive(now, this.#upAs({ address, mtu }))), ...this.#begin(now)];
  }

  /** What is wanted stays known. */
  down(): void {
    this.#link = undefined;
    this.#speakers.clear();
  }

  /** The bridge has these ports, by which its frames go with these tags. */
  bridge(ports: readonly string[], tags?: PortTags): void {
    this.#ports = ports;
    this.#known = tags;
    for (const port of this.#tags.keys()) if (!ports.includes(port)) this.#tags.delete(port);
    for (const port of this.#questions.keys()) if (port !== LINK && !ports.includes(port)) this.#questions.delete(port);
  }

  /**
   * What hosts say stays within the bridge from now on, and at these of its ports routers are told in its place; undefined: it does not.
   * Who has gone, or hears the hosts themselves, is told no leave.
   */
  speakAt(now: Instant, ports: readonly string[] | undefined): readonly ProxyEffect[] {
    this.#told = ports;
    for (const port of this.#speakers.keys()) if (ports?.includes(port) !== true) this.#speakers.delete(port);
    return this.#begin(now);
  }

  /** Whether routers are told in place of hosts. */
  get isSpeaking(): boolean {
    return this.#told !== undefined;
  }

  #begin(now: Instant): readonly ProxyEffect[] {
    const link = this.#link;
    if (link === undefined) return [];
    const added = (this.#told ?? []).filter((port) => !this.#speakers.has(port));
    return added.flatMap((port) => this.#said(port, this.#speak(now, port, link)));
  }

  /** From the first word in the version in which it was asked last: a router does not understand a newer one. */
  #speak(now: Instant, port: string, link: LinkUp<A>): readonly MulticastHostEffect[] {
    const { version } = this.#options;
    // The downstream has limits of its own; what it took in is asked for.
    const host = new MulticastHost<A>(this.#wire, this.#entropy, {
      version,
      refresh: "auto",
      maxGroups: Number.POSITIVE_INFINITY,
    });
    this.#speakers.set(port, host);
    const asked = this.#questions.get(port) ?? this.#questions.get(LINK);
    const changes = this.#wanted.groups().map(({ group }) => ({ group, filter: this.#elsewhere(port, group) }));
    return [
      ...host.receive(now, this.#upAs(link)),
      ...(asked === undefined ? [] : host.receive(now, { kind: "packet", bytes: asked })),
      ...host.receive(now, { kind: "want-all", changes }),
    ];
  }

  #upAs({ address: own, mtu }: LinkUp<A>): Extract<MulticastHostEvent<A>, { kind: "up" }> {
    const address = this.#options.source === "own" ? own : this.#wire.family.unspecified;
    return { kind: "up", address, ...(mtu === undefined ? {} : { mtu }) };
  }

  /** What all hosts of the bridge together want of a group. */
  wants(now: Instant, group: A, filter: SourceFilter<A>): readonly ProxyEffect[] {
    this.#wanted.set(HOSTS, group, filter);
    return this.#tell(now, group);
  }

  /** What is asked for whoever is there. */
  wantsAlways(now: Instant, group: A, filter: SourceFilter<A>): readonly ProxyEffect[] {
    this.#wanted.set(STATIC, group, filter);
    return this.#tell(now, group);
  }

  /** What the hosts behind one port want of a group. */
  wantsBehind(now: Instant, port: string, group: A, filter: SourceFilter<A>): readonly ProxyEffect[] {
    const filters = this.#behind.get(group) ?? new Map<string, SourceFilter<A>>();
    if (wantsNothing(filter)) filters.delete(port);
    else filters.set(port, filter);
    if (filters.size === 0) this.#behind.delete(group);
    else this.#behind.set(group, filters);
    return this.#tell(now, group);
  }

  #tell(now: Instant, group: A): readonly ProxyEffect[] {
    return this.#each((host, port) => this.#want(now, port, host, group));
  }

  #want(now: Instant, port: string, host: MulticastHost<A>, group: A): readonly MulticastHostEffect[] {
    return host.receive(now, { kind: "want", group, filter: this.#elsewhere(port, group) });
  }

  /**
   * A router hears the hosts at its own port by itself: it is told what the others want. Where none of its own wants the group that is
   * what all want, whether their ports are known or not, as while a tap is deaf.
   */
  #elsewhere(port: string, group: A): SourceFilter<A> {
    const behind = this.#behind.get(group);
    if (behind?.has(port) !== true) return this.#wanted.of(group);
    const others = [...behind].flatMap(([name, filter]) => (name === port ? [] : [filter]));
    return mergeFilters([...others, this.#wanted.part(STATIC, group)]);
  }

  /** A frame of the bridge's own VLAN came in by the port. */
  sawTag(port: string, vlan: number | undefined): void {
    if (vlan === undefined) this.#tags.delete(port);
    else this.#tags.set(port, vlan);
  }

  /**
   * Somebody behind a port asks; the bridge carries it to every router. All are answered, as a router that is not may end a group, but
   * what version is spoken at a port only those say who ask there, or may ask here (`isHeeded`).
   */
  asked(now: Instant, { from, query }: HeardQuery<A>, bytes: Uint8Array, isHeeded: boolean): readonly ProxyEffect[] {
    const isGeneral = query.group === this.#wire.family.unspecified;
    if (isGeneral) this.#questions.set(from.port, bytes.slice());
    if (isGeneral && isHeeded) this.#questions.set(LINK, bytes.slice());
    const tellsVersion = isGeneral && query.version < this.#options.version;
    return this.#each((host, port) =>
      tellsVersion && !isHeeded && port !== from.port ? [] : host.receive(now, { kind: "packet", bytes }),
    );
  }

  /**
   * A query of our own. `isQuerier`: nobody else asks, and routers hear our general queries, whose answers are ours. All else is for hosts
   * and goes by their ports alone, so that routers neither yield nor lower their timers.
   */
  asks(now: Instant, packet: Uint8Array, isQuerier: boolean): readonly ProxyEffect[] {
    const query = this.#wire.check(packet);
    if (!this.isSpeaking || typeof query === "string" || !isQuery(query)) return [{ kind: "send", packet }];
    if (!isQuerier || this.#wire.headGroup(query) !== this.#wire.family.unspecified) return this.#toHosts(packet);
    return [{ kind: "send", packet }, ...this.#each((host) => host.receive(now, { kind: "packet", bytes: packet }))];
  }

  #toHosts(packet: Uint8Array): readonly ProxyEffect[] {
    const hosts = this.#ports.filter((port) => this.#told?.includes(port) !== true);
    return hosts.map((port) => this.#send(port, packet));
  }

  poll(now: Instant): readonly ProxyEffect[] {
    return this.#each((host) => host.poll(now));
  }

  nextDeadline(): Instant | undefined {
    return earliest(Array.from(this.#speakers.values(), (host) => host.nextDeadline()));
  }

  #each(say: (host: MulticastHost<A>, port: string) => readonly MulticastHostEffect[]): readonly ProxyEffect[] {
    return [...this.#speakers].flatMap(([port, host]) => this.#said(port, say(host, port)));
  }

  #said(port: string, effects: readonly MulticastHostEffect[]): readonly ProxyEffect[] {
    return effects.flatMap((effect) => this.#effectsOf(port, effect));
  }

  #effectsOf(port: string, effect: MulticastHostEffect): readonly ProxyEffect[] {
    switch (effect.kind) {
      case "send":
        return [this.#send(port, effect.packet)];
      case "mode":
        return [{ kind: "upstream-mode", port, version: effect.version }];
      case "drop":
        // The same frame is the interface's to count.
        return [];
    }
  }

  #send(port: string, packet: Uint8Array): ProxyEffect {
    const vlan = this.#known === undefined ? this.#tags.get(port) : this.#known[port];
    return { kind: "send-port", port, packet, ...(vlan === undefined ? {} : { vlan }) };
  }

  /** What each router is told; undefined while hosts' reports are not kept within the bridge. */
  view(now: Instant): readonly ProxyView<A>[] | undefined {
    if (!this.isSpeaking) return undefined;
    return Array.from(this.#speakers, ([port, host]) => ({
      port,
      version: host.mode,
      isAsked: host.isAsked(now),
      refreshes: host.refreshes,
      groups: this.#wanted
        .groups()
        .map(({ group }) => ({ group, filter: this.#elsewhere(port, group) }))
        .filter(({ filter }) => !wantsNothing(filter)),
    }));
  }
}
