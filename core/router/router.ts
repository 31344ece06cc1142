// One router process (patent 12, 22, 32, 42): IGMP end point downstream, host upstream (RFC 4605), and the routes between them.
import { type Ipv4, isLinkLocalMulticast } from "../base/ipv4.ts";
import type { Machine } from "../base/machine.ts";
import type { Subnet } from "../base/subnet.ts";
import { after, type Duration, earliest, type Instant, seconds } from "../base/time.ts";
import type { AdmissionRefusal } from "../igmp/admission.ts";
import { admits, NO_SOURCE, type SourceFilter, wantsNothing } from "../igmp/filter.ts";
import type { MulticastHostEffect } from "../igmp/host.ts";
import type { HostMembership } from "../igmp/host-table.ts";
import { isRefused } from "../igmp/host-tracking.ts";
import type { RefusedWhom, RouterInterfaceEffect, RouterInterfaceOptions } from "../igmp/interface-events.ts";
import { portLimits } from "../igmp/limits.ts";
import { checkPacket, headGroup } from "../igmp/packet.ts";
import type { PortView } from "../igmp/port-table.ts";
import { MembershipDatabase, type UpstreamChange } from "../igmp/proxy.ts";
import { RouterInterface } from "../igmp/router-interface.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { MulticastRoute } from "../ports/forwarding.ts";
import type { DeliveryPath, PathLack } from "./delivery-path.ts";
import { ingressOf, mayEnter, type Side } from "./ingress.ts";
import { assumedFilter, assumedSpan } from "./inheritance.ts";
import { type Intruder, Intruders } from "./intruders.ts";
import type { DownstreamOptions, RouterDrop, RouterEffect, RouterEvent, RouterOptions } from "./options.ts";
import type { Permit } from "./policy/permits.ts";
import { Policy } from "./policy/policy.ts";
import { RefusedRoutes, type RefusedStream } from "./refused-routes.ts";
import { MulticastRoutes } from "./routes.ts";
import { Snooping, type SnoopingEffect } from "./snooping.ts";
import { groupsOf, type StaticGroup, staticFilter } from "./static-groups.ts";
import { Upstream, upstreamOf } from "./upstream.ts";

/** Between two looks at the route counters, while there are routes. */
const COUNT_EVERY: Duration = seconds(30);

/** After a packet came in where its route goes out: whether the source has moved there; and whether a foreign route was true. */
const LOOK_AFTER: Duration = seconds(1);

/** In the database of what is wanted, behind the name of an interface: its static groups. No interface name has a blank. */
const STATIC = " static";

/** What a host that was a member may have now, and why no more. */
interface Restriction extends Required<Pick<RefusedWhom, "host" | "group">>, AdmissionRefusal {
  readonly sources: readonly Ipv4[];
}

interface Downstream {
  options: DownstreamOptions;
  readonly machine: RouterInterface;
  up: boolean;
  subnets: readonly Subnet[] | undefined;
  readonly snooping: Snooping | undefined;
}

/** Events of every interface in, effects for sockets, kernel and reports out. */
export class Router implements Machine<RouterEvent, RouterEffect> {
  readonly #downstreams: ReadonlyMap<string, Downstream>;
  readonly #upstreams: ReadonlyMap<string, Upstream>;
  readonly #wanted = new MembershipDatabase();
  readonly #routes: MulticastRoutes;
  readonly #refused = new RefusedRoutes();
  readonly #intruders = new Intruders();
  readonly #maxRoutesPerSource: number;
  /** Foreign routes heard on one interface. */
  readonly #maxForeign: number;
  readonly #policy: Policy;
  #countAt: Instant | undefined;
  /** Nothing is due before: what `nextDeadline` last said. undefined: something has happened since. */
  #quietUntil: number | undefined;

  /** Throws RangeError for IGMP options that `checkTimes` faults. */
  constructor(options: RouterOptions, entropy: Entropy) {
    const { downstreams, upstreams = [] } = options;
    this.#policy = new Policy(options, { downstreams, upstreams }, (group) => this.#uplinkOf(group));
    this.#downstreams = new Map(
      downstreams.map((one) => {
        const machine = new RouterInterface(interfaceOptions(one), this.#policy.admission(one.name));
        return [one.name, { options: one, machine, up: false, subnets: undefined, snooping: snoopingOf(one, machine) }];
      }),
    );
    this.#upstreams = new Map(upstreams.map((one) => [one.name, new Upstream(one, entropy)]));
    this.#maxRoutesPerSource = options.maxRoutesPerSource ?? 64;
    const { maxRoutes = 1024 } = options;
    this.#maxForeign = Math.ceil(maxRoutes / 2);
    this.#routes = new MulticastRoutes(options.idle ?? seconds(180), maxRoutes);
  }

  receive(now: Instant, event: RouterEvent): readonly RouterEffect[] {
    const due = this.#quietUntil !== undefined && now < this.#quietUntil ? [] : this.#due(now);
    this.#quietUntil = undefined;
    return routesFirst([...due, ...this.#take(now, event), ...this.#offer(now)]);
  }

  #take(now: Instant, event: RouterEvent): readonly RouterEffect[] {
    switch (event.kind) {
      case "link":
        return this.#link(now, event);
      case "configure":
        return this.#configure(now, event);
      case "permits":
        return this.#permitted(now, event.permits);
      case "guarded":
        this.#policy.adopt(now, event.passes);
        return [];
      case "stop":
        return this.#stop(now);
      case "inherited":
        return this.#inherit(now, event.routes);
      case "packet":
        return this.#packet(now, event);
      case "frame":
        return this.#frame(now, event);
      case "bridge":
        return this.#bridge(now, event);
      case "ask-all":
        return this.#askAll(now, event.name);
      case "no-route":
        return this.#noRoute(now, event.source, event.group, event.inbound);
      case "wrong-interface":
        return this.#wrongInterface(now, event.source, event.group, event.inbound);
      case "use":
        return this.#routes.use(now, event.uses);
    }
  }

  poll(now: Instant): readonly RouterEffect[] {
    this.#quietUntil = undefined;
    return routesFirst([...this.#due(now), ...this.#offer(now)]);
  }

  #due(now: Instant): RouterEffect[] {
    const effects: RouterEffect[] = [];
    for (const [name, { machine, snooping }] of this.#downstreams)
      effects.push(...this.#downstream(now, name, machine.poll(now)), ...this.#snooped(now, name, snooping?.poll(now)));
    for (const upstream of this.#upstreams.values()) effects.push(...fromHost(upstream, upstream.poll(now)));
    if (this.#policy.wordHasEnded(now)) effects.push(...this.#reviewAll(now));
    for (const { name, ...end } of this.#policy.poll(now))
      effects.push(...this.#restrict(now, name, { ...end, reason: "policy.preview-over", sources: [] }));
    effects.push(...this.#refused.poll(now).map(unroute), ...this.#intruders.poll(now));
    if (this.#countAt !== undefined && this.#countAt <= now) {
      this.#countAt = after(now, COUNT_EVERY);
      if (this.#routes.size > 0) effects.push({ kind: "count-routes" });
    }
    return effects;
  }

  nextDeadline(): Instant | undefined {
    const deadlines = [this.#refused.nextDeadline(), this.#intruders.nextDeadline(), this.#policy.nextDeadline()];
    for (const { machine, snooping } of this.#downstreams.values())
      deadlines.push(machine.nextDeadline(), snooping?.nextDeadline());
    for (const upstream of this.#upstreams.values()) deadlines.push(upstream.nextDeadline());
    if (this.#routes.size > 0) deadlines.push(this.#countAt);
    const next = earliest(deadlines);
    this.#quietUntil = next ?? Number.POSITIVE_INFINITY;
    return next;
  }

  /** The downstream interfaces with their state, for status. */
  *interfaces(): Generator<readonly [name: string, machine: RouterInterface]> {
    for (const [name, { machine }] of this.#downstreams) yield [name, machine];
  }

  /** The interfaces towards the sources, for status. */
  upstreams(): Iterable<Upstream> {
    return this.#upstreams.values();
  }

  /** What the downstreams want of the groups of `upstream`, for status. */
  wanted(upstream: Upstream): readonly UpstreamChange[] {
    return this.#wanted.groups().filter(({ group }) => this.#upstreamOf(group) === upstream && upstream.mayJoin(group));
  }

  /** Who sent from where it may not, for status. */
  intruders(): ReturnType<Intruders["all"]> {
    return this.#intruders.all();
  }

  /** What is carried of what may be, for status. */
  loads(): ReturnType<Policy["loads"]> {
    return this.#policy.loads();
  }

  /** Of control's word, for status; undefined where it is not asked. */
  permits(now: Instant): ReturnType<Policy["permitSummary"]> {
    return this.#policy.permitSummary(now);
  }

  routes(): ReturnType<MulticastRoutes["all"]> {
    return this.#routes.all();
  }

  #stop(now: Instant): readonly RouterEffect[] {
    // First upstream, and all at once: by the ends of thousands of groups below it would be a report for each.
    return [
      ...[...this.#upstreams.values()].flatMap((upstream) => fromHost(upstream, upstream.leaveAll(now))),
      ...[...this.#downstreams].flatMap(([name, { machine }]) =>
        this.#downstream(now, name, machine.receive(now, { kind: "stop" })),
      ),
    ];
  }

  #link(now: Instant, event: RouterEvent & { kind: "link" }): readonly RouterEffect[] {
    const { name } = event;
    const [downstream, upstream] = [this.#downstreams.get(name), this.#upstreams.get(name)];
    if (downstream !== undefined) return this.#downstreamLink(now, downstream, event);
    if (upstream !== undefined) return this.#upstreamLink(now, upstream, event);
    return [drop(name, "router.unknown-interface")];
  }

  #downstreamLink(
    now: Instant,
    downstream: Downstream,
    { kind: _, name, address, ...facts }: RouterEvent & { kind: "link" },
  ): readonly RouterEffect[] {
    const event = address === undefined ? ({ kind: "down" } as const) : ({ kind: "up", address, ...facts } as const);
    downstream.up = address !== undefined;
    downstream.subnets = facts.addresses;
    const effects = this.#downstream(now, name, downstream.machine.receive(now, event));
    effects.push(...this.#setStatic(now, downstream, downstream.options.staticGroups ?? []));
    return [...effects, ...(address === undefined ? this.#withoutInbound(name) : []), ...this.#reroute(now)];
  }

  #upstreamLink(
    now: Instant,
    upstream: Upstream,
    { name, address, mtu = 1500 }: RouterEvent & { kind: "link" },
  ): readonly RouterEffect[] {
    upstream.up = address !== undefined;
    const event = address === undefined ? ({ kind: "down" } as const) : ({ kind: "up", address, mtu } as const);
    const effects = fromHost(upstream, upstream.receive(now, event));
    return [...effects, ...(address === undefined ? this.#withoutInbound(name) : []), ...this.#reroute(now)];
  }

  #configure(now: Instant, event: RouterEvent & { kind: "configure" }): readonly RouterEffect[] {
    const { downstreams, upstreams = [] } = event;
    for (const options of upstreams) this.#upstreams.get(options.name)?.configure(options);
    this.#policy.configure(event, {
      downstreams: this.#named(downstreams),
      upstreams: Array.from(this.#upstreams.values(), ({ options }) => options),
    });
    return [
      ...(upstreams.length === 0 ? [] : this.#wanted.groups().flatMap((change) => this.#want(now, change))),
      ...downstreams.flatMap((options) => this.#configureDownstream(now, options)),
      ...this.#reroute(now),
    ];
  }

  #configureDownstream(now: Instant, options: DownstreamOptions): readonly RouterEffect[] {
    const { name } = options;
    const known = this.#downstreams.get(name);
    if (known === undefined) return [];
    const before = known.options.staticGroups ?? [];
    known.options = options;
    const effects = known.machine.receive(now, { kind: "configure", options: interfaceOptions(options) });
    // What may be received may have changed too. Who may have more hears the query, and says what it wants.
    const refused = this.#endDenied(now, name, known);
    const groups = known.machine.groups(now);
    return [
      ...this.#downstream(now, name, effects),
      ...refused,
      ...this.#setStatic(now, known, before),
      ...groups.flatMap(({ group, filter }) =>
        this.#policy.mayDeliver(name, group, undefined)
          ? this.#membership(now, name, { kind: "membership", group, filter })
          : this.#downstream(now, name, known.machine.receive(now, { kind: "end", group })),
      ),
      ...this.portMemberships(now, name),
    ];
  }

  /** The downstreams as they are to be, those that are not told as they were. */
  #named(changed: readonly DownstreamOptions[]): readonly DownstreamOptions[] {
    return Array.from(this.#downstreams, ([name, { options }]) => changed.find((one) => one.name === name) ?? options);
  }

  #permitted(now: Instant, permits: readonly Permit[]): readonly RouterEffect[] {
    const changed = this.#policy.told(now, permits);
    return changed.size === 0 ? [] : this.#reviewAll(now, ({ host }) => changed.has(host.mac));
  }

  #reviewAll(now: Instant, isMeant?: (membership: HostMembership) => boolean): readonly RouterEffect[] {
    return [...this.#downstreams].flatMap(([name, one]) => this.#endDenied(now, name, one, isMeant));
  }

  /** Ends what the policy does not allow any more. */
  #endDenied(
    now: Instant,
    name: string,
    { machine }: Downstream,
    isMeant: (membership: HostMembership) => boolean = () => true,
  ): readonly RouterEffect[] {
    return machine.members().flatMap((membership) => {
      if (!isMeant(membership)) return [];
      const verdict = this.#policy.review(now, name, membership);
      const { host, group } = membership;
      if (verdict === undefined) return [];
      return this.#restrict(now, name, { host, group, ...verdict.refusal, sources: verdict.sources });
    });
  }

  #restrict(now: Instant, name: string, { sources, ...refused }: Restriction): readonly RouterEffect[] {
    const { host, group } = refused;
    const effects = this.#downstreams.get(name)?.machine.receive(now, { kind: "restrict", host, group, sources }) ?? [];
    const dropped = { kind: "drop", ...refused } as const;
    return [{ ...dropped, name }, ...refusal(name, dropped), ...this.#downstream(now, name, effects)];
  }

  /** Bandwidth has become free, or a right has come: whoever was refused is asked again, and need not wait for the next general query. */
  #offer(now: Instant): readonly RouterEffect[] {
    const asked = this.#policy.chances().flatMap(({ name, group }) => {
      const machine = this.#downstreams.get(name)?.machine;
      return machine === undefined ? [] : this.#downstream(now, name, machine.receive(now, { kind: "ask", group }));
    });
    return [...asked, ...this.#policy.permitEffects()];
  }

  /** Wants the static groups of an interface that is up; `before`: those that were. */
  #setStatic(now: Instant, { options, up }: Downstream, before: readonly StaticGroup[]): readonly RouterEffect[] {
    const { name, staticGroups = [] } = options;
    const wanted = up ? staticGroups : [];
    return groupsOf(before, staticGroups).flatMap((group) =>
      this.#wants(now, name, STATIC, group, staticFilter(wanted, group)),
    );
  }

  #inherit(now: Instant, routes: readonly MulticastRoute[]): readonly RouterEffect[] {
    const wantedFirst = [...routes].sort((a, b) => Number(this.#isWanted(b)) - Number(this.#isWanted(a)));
    const refused = wantedFirst.flatMap((route) => this.#adopt(now, route));
    if (this.#routes.size > 0) this.#countAt ??= after(now, COUNT_EVERY);
    // Every interface before any route: one that is not known to be wanted yet would be taken out of a route for a moment.
    const heard = [...this.#downstreams]
      .filter(([, { up }]) => up)
      .map(([name, { machine }]) => [name, this.#assume(now, name, machine)] as const);
    return [
      ...refused,
      ...heard.flatMap(([name, effects]) => this.#downstream(now, name, effects)),
      ...this.#reroute(now),
    ];
  }

  /** Without a word when it may stay; the kernel asks again about one that may not. */
  #adopt(now: Instant, route: MulticastRoute): readonly RouterEffect[] {
    const { source, group, inbound } = route;
    if (this.#mayEnter(route) && !this.#routes.full) {
      this.#routes.adopt(now, route, this.#isWanted(route));
      return [];
    }
    const tooMany: RouterEffect[] = this.#routes.full ? [drop(inbound, "router.too-many-routes")] : [];
    return [{ kind: "unroute", source, group }, ...tooMany];
  }

  #assume(now: Instant, name: string, machine: RouterInterface): readonly RouterInterfaceEffect[] {
    const span = assumedSpan(machine.times);
    return this.#routes.groups().flatMap((group) => {
      const filter = assumedFilter(name, group, this.#routes.of(group));
      return wantsNothing(filter) || !this.#policy.mayDeliver(name, group, undefined)
        ? []
        : machine.receive(now, { kind: "assume", group, filter, span });
    });
  }

  #packet(now: Instant, { name, ...packet }: RouterEvent & { kind: "packet" }): readonly RouterEffect[] {
    const downstream = this.#downstreams.get(name);
    if (downstream !== undefined) return this.#downstream(now, name, downstream.machine.receive(now, packet));
    const upstream = this.#upstreams.get(name);
    if (upstream === undefined) return [drop(name, "router.unknown-interface")];
    return [...heardUpstream(name, packet.bytes), ...fromHost(upstream, upstream.receive(now, packet))];
  }

  #frame(now: Instant, { name, ...frame }: RouterEvent & { kind: "frame" }): readonly RouterEffect[] {
    const downstream = this.#downstreams.get(name);
    if (downstream === undefined) return [drop(name, "router.unknown-interface")];
    const said = downstream.machine.receive(now, frame);
    // Taps hear PIM too, which is no drop: it tells of routers.
    const counted = said.filter((effect) => effect.kind !== "drop" || effect.reason !== "ip.not-igmp");
    const effects = this.#downstream(now, name, counted);
    return [...effects, ...this.#snooped(now, name, downstream.snooping?.frame(now, frame))];
  }

  #bridge(now: Instant, { name, ports, topology }: RouterEvent & { kind: "bridge" }): readonly RouterEffect[] {
    return this.#snooped(now, name, this.#downstreams.get(name)?.snooping?.bridge(now, ports, topology));
  }

  #askAll(now: Instant, name: string): readonly RouterEffect[] {
    const downstream = this.#downstreams.get(name);
    if (downstream?.snooping === undefined) return [];
    return this.#downstream(now, name, downstream.machine.receive(now, { kind: "ask-all" }));
  }

  #snooped(now: Instant, name: string, effects: readonly SnoopingEffect[] = []): readonly RouterEffect[] {
    return effects.flatMap((effect) => this.#fromPorts(now, name, effect));
  }

  #fromPorts(now: Instant, name: string, effect: SnoopingEffect): readonly RouterEffect[] {
    switch (effect.kind) {
      case "ask-all":
        return this.#askAll(now, name);
      case "router-port":
        return [{ ...effect, name }];
      case "port-membership":
        return [
          {
            ...effect,
            name,
            filter: this.#policy.mayDeliver(name, effect.group, undefined) ? effect.filter : NO_SOURCE,
          },
        ];
    }
  }

  /** What each bridge port of a downstream gets, as the effects said; for a bridge that has forgotten it. */
  portMemberships(now: Instant, name: string): readonly RouterEffect[] {
    const views = this.#downstreams.get(name)?.snooping?.view(now) ?? [];
    const all = views.flatMap(({ port, groups }) =>
      groups.map(({ group, filter }) => ({ kind: "port-membership", port, group, filter }) as const),
    );
    return this.#snooped(now, name, all);
  }

  /** What is known of the bridge ports of a downstream, for status; undefined where nothing is kept of them. */
  ports(now: Instant, name: string): readonly PortView[] | undefined {
    return this.#downstreams.get(name)?.snooping?.view(now);
  }

  #downstream(now: Instant, name: string, effects: readonly RouterInterfaceEffect[]): RouterEffect[] {
    return effects.flatMap((effect) => this.#fromDownstream(now, name, effect));
  }

  #fromDownstream(now: Instant, name: string, effect: RouterInterfaceEffect): readonly RouterEffect[] {
    switch (effect.kind) {
      case "membership":
        return [...this.#membership(now, name, effect), ...this.#endedOnPorts(now, name, effect)];
      case "host-joined":
        this.#policy.joined(now, name, effect.membership);
        return [{ kind: "joined", number: 71, name, membership: effect.membership }];
      case "host-left":
        this.#policy.left(now, name, effect.membership);
        return [{ ...effect, kind: "left", number: effect.cause === "left" ? 81 : undefined, name }];
      case "querier":
        return [{ ...effect, name }, ...this.#reroute(now)];
      case "send":
      case "heard":
      case "older-querier":
      case "query-refused":
        return [{ ...effect, name }];
      case "drop":
        if (effect.group !== undefined && effect.host !== undefined)
          this.#policy.refused(now, name, effect.host, effect.group, effect.reason);
        return [{ ...effect, name }, ...refusal(name, effect)];
    }
  }

  #endedOnPorts(
    now: Instant,
    name: string,
    { group, filter }: RouterInterfaceEffect & { kind: "membership" },
  ): readonly RouterEffect[] {
    const ended = wantsNothing(filter) ? this.#downstreams.get(name)?.snooping?.endGroup(group) : undefined;
    return this.#snooped(now, name, ended);
  }

  #membership(
    now: Instant,
    name: string,
    { group, filter }: RouterInterfaceEffect & { kind: "membership" },
  ): readonly RouterEffect[] {
    const allowed = this.#policy.mayDeliver(name, group, undefined);
    return [
      allowed ? { kind: "membership", name, group, filter } : drop(name, "router.group-denied"),
      ...this.#wants(now, name, "", group, allowed ? filter : NO_SOURCE),
    ];
  }

  /** What an interface wants of a group, by its members or (`part` STATIC) in any case. */
  #wants(
    now: Instant,
    name: string,
    part: "" | typeof STATIC,
    group: Ipv4,
    filter: SourceFilter,
  ): readonly RouterEffect[] {
    const change = this.#wanted.set(name + part, group, filter);
    const isWanted = this.#wanted.isWanted(name, group) || this.#wanted.isWanted(name + STATIC, group);
    this.#policy.wants(name, group, isWanted);
    return [
      ...this.#refused.release(group).map(unroute),
      ...this.#reroute(now, group),
      ...(change === undefined ? [] : this.#want(now, change)),
    ];
  }

  /** RFC 4605 4.1: the merged state is what our host part upstream wants; of a group that comes from elsewhere, nothing. */
  #want(now: Instant, change: UpstreamChange): readonly RouterEffect[] {
    const chosen = this.#upstreamOf(change.group);
    this.#policy.wantsUp(change.group, wantsNothing(change.filter) ? undefined : this.#uplinkOf(change.group));
    return [...this.#upstreams.values()].flatMap((upstream) =>
      fromHost(upstream, upstream.want(now, upstream === chosen ? change : { ...change, filter: NO_SOURCE })),
    );
  }

  #upstreamOf(group: Ipv4): Upstream | undefined {
    return upstreamOf(group, this.#upstreams.values());
  }

  /** The upstream at which the group would be asked for. */
  #uplinkOf(group: Ipv4): string | undefined {
    const upstream = this.#upstreamOf(group);
    return upstream?.mayJoin(group) === true ? upstream.name : undefined;
  }

  /** Every interface from which the group may come. */
  #sides(group: Ipv4): readonly Side[] {
    const upstream = this.#upstreamOf(group);
    const names = [...this.#downstreams.keys(), ...(upstream === undefined ? [] : [upstream.name])];
    return names.flatMap((name) => this.#side(name, group) ?? []);
  }

  /** The interface, if what is sent to the group may come from there at all. */
  #side(name: string, group: Ipv4): Side | undefined {
    const downstream = this.#downstreams.get(name);
    if (downstream !== undefined) {
      const { up, subnets, options } = downstream;
      return { name, up, isUpstream: false, carries: false, subnets, allowed: options.sources };
    }
    const upstream = this.#upstreamOf(group);
    if (upstream?.name !== name) return undefined;
    const { up, sources } = upstream;
    return { name, up, isUpstream: true, carries: upstream.mayJoin(group), subnets: undefined, allowed: sources };
  }

  #mayEnter({ source, group, inbound }: MulticastRoute): boolean {
    const side = this.#side(inbound, group);
    return side?.up === true && mayEnter(source, side, this.#sides(group));
  }

  #noRoute(now: Instant, source: Ipv4, group: Ipv4, inbound: string): readonly RouterEffect[] {
    if (!this.#downstreams.has(inbound) && !this.#upstreams.has(inbound))
      return [drop(inbound, "router.unknown-interface")];
    if (this.#routes.size === 0) this.#countAt = after(now, COUNT_EVERY);
    // The kernel asks because it has no entry: one that we remember is gone there.
    const forgotten = this.#routes.remove(source, group).filter(({ kind }) => kind === "delivery");
    const ingress = ingressOf(source, inbound, this.#sides(group))?.name;
    const foreign = ingress === inbound ? [] : this.#foreign(now, { name: inbound, source, group, expected: ingress });
    return [...forgotten, ...foreign, ...this.#install(now, source, group, ingress, inbound)];
  }

  /**
   * A packet that may not come in where it did gets the route of those that may: the kernel drops what comes in elsewhere, and the
   * true stream needs no upcall to flow. With no place for it, a route to nowhere keeps the kernel from asking again.
   */
  #install(
    now: Instant,
    source: Ipv4,
    group: Ipv4,
    ingress: string | undefined,
    heard: string,
  ): readonly RouterEffect[] {
    this.#refused.forget({ source, group });
    const outbound = ingress === undefined ? [] : this.#outbound(now, source, group, ingress);
    const route = { source, group, inbound: ingress ?? heard, outbound };
    const foreign = ingress === heard ? undefined : heard;
    const excess = this.#excess(route, foreign);
    if (excess !== undefined) return this.#refuse(now, { source, group, inbound: heard }, excess);
    const room = this.#makeRoom(route, foreign);
    if (this.#routes.full)
      return [...room, ...this.#refuse(now, { source, group, inbound: heard }, "router.too-many-routes")];
    return [...room, ...this.#set(now, route, foreign)];
  }

  /** Why a route by which nobody here would receive is one too many: one sender, or one that invents sources, gets so many. */
  #excess(route: MulticastRoute, foreign: string | undefined): RouterDrop | undefined {
    const { source, inbound } = route;
    if (this.#isWanted(route)) return undefined;
    if (foreign !== undefined)
      return this.#routes.foreignOn(foreign) < this.#maxForeign ? undefined : "router.too-many-foreign-routes";
    const isFew =
      !this.#downstreams.has(inbound) || this.#routes.unwantedOf(source, inbound) < this.#maxRoutesPerSource;
    return isFew ? undefined : "router.too-many-routes-of-source";
  }

  #refuse(now: Instant, stream: RefusedStream, reason: RouterDrop): readonly RouterEffect[] {
    const nowhere: RouterEffect = { kind: "route", route: { ...stream, outbound: [] } };
    return [nowhere, ...this.#refused.add(now, stream).map(unroute), drop(stream.inbound, reason)];
  }

  #foreign(now: Instant, seen: Omit<Intruder, "times">): readonly RouterEffect[] {
    return [...this.#intruders.note(now, seen), drop(seen.name, "router.foreign-source")];
  }

  #wrongInterface(now: Instant, source: Ipv4, group: Ipv4, inbound: string): readonly RouterEffect[] {
    const dropped = drop(inbound, "router.wrong-interface");
    const route = this.#routes.get(source, group);
    const side = this.#side(inbound, group);
    if (route === undefined || side?.up !== true) return [dropped];
    if (!mayEnter(source, side, this.#sides(group)))
      return [dropped, ...this.#foreign(now, { name: inbound, source, group, expected: route.inbound })];
    // Where both hear it, the upstream wins: what a LAN host sends under the headend's address must not keep out the headend.
    if (side.isUpstream && this.#downstreams.has(route.inbound)) {
      const outbound = this.#outbound(now, source, group, inbound);
      const usurper = this.#foreign(now, { name: route.inbound, source, group, expected: inbound });
      return [...this.#set(now, { source, group, inbound, outbound }), ...usurper];
    }
    this.#countSoon(now);
    return [dropped];
  }

  #countSoon(now: Instant): void {
    this.#countAt = earliest([this.#countAt, after(now, LOOK_AFTER)]);
  }

  /**
   * What anybody may send does not keep out a stream that is wanted: first those go that came in where they may not, then those that
   * nobody here wants, then one of those that have the most company, as a sender can invent sources of its own network too.
   */
  #makeRoom(route: MulticastRoute, foreign: string | undefined): readonly RouterEffect[] {
    const isWanted = this.#isWanted(route);
    if (foreign !== undefined && this.#routes.foreignOn(foreign) >= this.#maxForeign)
      return this.#routes.removeForeign(foreign);
    if (!this.#routes.full) return [];
    const ways = [
      () => (isWanted || foreign === undefined ? this.#routes.removeForeign() : []),
      () => (isWanted ? this.#routes.removeIdlest() : []),
      () => (isWanted && foreign === undefined ? this.#routes.removeFromCrowd(route) : []),
    ];
    for (const way of ways) {
      const removed = way();
      if (removed.length > 0) return removed;
    }
    return [];
  }

  #isWanted({ outbound }: MulticastRoute): boolean {
    return outbound.some((name) => this.#downstreams.has(name));
  }

  /** `foreign`: of a new one, where the packet came in that made it, if its source may not send there. */
  #set(now: Instant, route: MulticastRoute, foreign?: string): readonly RouterEffect[] {
    const effects = this.#routes.set(now, route, this.#isWanted(route), foreign);
    if (effects.length > 0 && this.#routes.isUnproven(route)) this.#countSoon(now);
    return effects;
  }

  /** RFC 4605 4.2: never back; upstream what comes from below; down where it is subscribed and we are the forwarder. */
  #outbound(now: Instant, source: Ipv4, group: Ipv4, inbound: string): readonly string[] {
    const origin = this.#upstreams.get(inbound);
    if (isLinkLocalMulticast(group) || origin?.mayJoin(group) === false) return [];
    const stream = { source, group, inbound };
    const down = [...this.#downstreams].filter(([name, one]) => this.#lack(now, name, one, stream) === undefined);
    const upstream = origin === undefined ? this.#upstreamOf(group) : undefined;
    const up = upstream?.up === true && upstream.maySend(group) ? [upstream.name] : [];
    return [...up, ...down.map(([name]) => name)];
  }

  #lack(
    now: Instant,
    name: string,
    downstream: Downstream,
    { source, group, inbound }: Omit<MulticastRoute, "outbound">,
  ): PathLack | undefined {
    if (name === inbound) return "inbound";
    if (!isForwarder(downstream)) return "not-forwarder";
    if (this.#isStatic(name, group, source)) return undefined;
    if (!this.#policy.mayDeliver(name, group, source)) return "denied";
    return downstream.machine.forwards(now, group, source) ? undefined : "not-wanted";
  }

  /** What decides whether a group reaches a downstream, as it is now; undefined for an interface that is none. For `--why`. */
  path(now: Instant, name: string, group: Ipv4): DeliveryPath | undefined {
    const downstream = this.#downstreams.get(name);
    if (downstream === undefined) return undefined;
    const upstream = this.#upstreamOf(group);
    return {
      isUp: downstream.up,
      querier: downstream.machine.querier,
      isForwarder: isForwarder(downstream),
      isStatic: !wantsNothing(staticFilter(downstream.options.staticGroups ?? [], group)),
      withoutRoom: this.#refused.of(group),
      isDenied: !this.#policy.mayDeliver(name, group, undefined),
      upstream: upstream && {
        name: upstream.name,
        isUp: upstream.up,
        mayJoin: upstream.mayJoin(group),
        standing: upstream.pace.standing(group),
        isAsked: upstream.host.isAsked(now),
      },
      streams: this.#routes.of(group).map((route) => ({ route, lack: this.#routeLack(now, name, downstream, route) })),
    };
  }

  #routeLack(now: Instant, name: string, downstream: Downstream, route: MulticastRoute): PathLack | undefined {
    if (!this.#mayEnter(route)) return "foreign";
    const isStopped = this.#upstreams.get(route.inbound)?.mayJoin(route.group) === false;
    return isStopped ? "boundary" : this.#lack(now, name, downstream, route);
  }

  /** Brings the installed routes (of one group, or all) in line with what is wanted, and may be, now. */
  #reroute(now: Instant, group?: Ipv4): readonly RouterEffect[] {
    if (group === undefined) return this.#routes.all().flatMap((route) => this.#review(now, route));
    return this.#routes.of(group).flatMap((route) => (this.#mayEnter(route) ? this.#lead(now, route) : []));
  }

  /** A source may have become one of another interface: then the kernel asks anew. */
  #review(now: Instant, route: MulticastRoute): readonly RouterEffect[] {
    return this.#mayEnter(route) ? this.#lead(now, route) : this.#routes.remove(route.source, route.group);
  }

  #lead(now: Instant, route: MulticastRoute): readonly RouterEffect[] {
    const { source, group, inbound } = route;
    return this.#set(now, { ...route, outbound: this.#outbound(now, source, group, inbound) });
  }

  #withoutInbound(name: string): readonly RouterEffect[] {
    const lost = this.#routes.all().filter(({ inbound }) => inbound === name);
    return lost.flatMap(({ source, group }) => this.#routes.remove(source, group));
  }

  #isStatic(name: string, group: Ipv4, source: Ipv4): boolean {
    const downstream = this.#downstreams.get(name);
    return downstream?.up === true && admits(staticFilter(downstream.options.staticGroups ?? [], group), source);
  }
}

const isForwarder = ({ machine, options }: Downstream): boolean =>
  options.forwarder !== "elected" || machine.querier.kind === "querier";

/** What of a drop is evidence: a join that was not honoured. */
function refusal(name: string, drop: RouterInterfaceEffect & { kind: "drop" }): readonly RouterEffect[] {
  const { reason, host, group, rule } = drop;
  if (host === undefined || !isRefused(reason)) return [];
  return [{ kind: "refused", name, host, group, reason: typeof rule === "number" ? `policy.rule-${rule}` : reason }];
}

const drop = (name: string, reason: RouterDrop): RouterEffect => ({ kind: "drop", name, reason });

/** What rules call the interface's VLAN is what its frames bear. */
const interfaceOptions = ({ igmp, vlan }: DownstreamOptions): RouterInterfaceOptions =>
  vlan === undefined ? { ...igmp } : { ...igmp, vlan };

function snoopingOf(options: DownstreamOptions, machine: RouterInterface): Snooping | undefined {
  return options.snooping === true ? new Snooping(machine, portLimits(options.igmp ?? {})) : undefined;
}

const unroute = ({ source, group }: RefusedStream): RouterEffect => ({ kind: "unroute", source, group });

/** The same statistics as downstream: what passed the gate, whether our host part heeds it or not. */
function heardUpstream(name: string, bytes: Uint8Array): readonly RouterEffect[] {
  const packet = checkPacket(bytes);
  if (typeof packet === "string") return [];
  return [{ kind: "heard", name, message: packet.kind, group: headGroup(packet), unfilled: packet.unfilled }];
}

const fromHost = ({ name }: Upstream, effects: readonly MulticastHostEffect[]): RouterEffect[] =>
  effects.map((effect) => upstreamEffect(name, effect));

function upstreamEffect(name: string, effect: MulticastHostEffect): RouterEffect {
  switch (effect.kind) {
    case "send":
      return { ...effect, name };
    case "mode":
      return { kind: "upstream-mode", name, version: effect.version };
    case "drop":
      return drop(name, effect.reason);
  }
}

/** A packet waits for the kernel's routes, and a querier for packets; names, logs and evidence can wait. */
function routesFirst(effects: readonly RouterEffect[]): readonly RouterEffect[] {
  if (effects.length < 2) return effects;
  const sent = effects.filter(({ kind }) => kind === "send");
  return [...effects.filter(isRoute), ...sent, ...effects.filter((one) => !isRoute(one) && one.kind !== "send")];
}

const isRoute = ({ kind }: RouterEffect): boolean => kind === "route" || kind === "unroute" || kind === "passes";
