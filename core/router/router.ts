// One router process (patent 12, 22, 32, 42): IGMP end point downstream, host upstream (RFC 4605), and the routes between them.
import { type Ipv4, isLinkLocalMulticast } from "../base/ipv4.ts";
import type { Machine } from "../base/machine.ts";
import type { Subnet } from "../base/subnet.ts";
import { after, type Duration, earliest, type Instant, seconds } from "../base/time.ts";
import { NO_SOURCE, wantsNothing } from "../igmp/filter.ts";
import type { MulticastHostEffect } from "../igmp/host.ts";
import { isRefused } from "../igmp/host-tracking.ts";
import type { RouterInterfaceEffect } from "../igmp/interface-events.ts";
import { MembershipDatabase, type UpstreamChange } from "../igmp/proxy.ts";
import { RouterInterface } from "../igmp/router-interface.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { MulticastRoute } from "../ports/forwarding.ts";
import { mayReceive } from "./group-access.ts";
import { ingressOf, mayEnter, type Side } from "./ingress.ts";
import { assumedFilter, assumedSpan } from "./inheritance.ts";
import { type Intruder, Intruders } from "./intruders.ts";
import type { DownstreamOptions, RouterDrop, RouterEffect, RouterEvent, RouterOptions } from "./options.ts";
import { RefusedRoutes, type RefusedStream } from "./refused-routes.ts";
import { MulticastRoutes } from "./routes.ts";
import { Upstream, upstreamOf } from "./upstream.ts";

/** Between two looks at the route counters, while there are routes. */
const COUNT_EVERY: Duration = seconds(30);

/** After a packet came in where its route goes out: whether the source has moved there. */
const LOOK_AFTER: Duration = seconds(1);

interface Downstream {
  options: DownstreamOptions;
  readonly machine: RouterInterface;
  up: boolean;
  subnets: readonly Subnet[] | undefined;
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
  #countAt: Instant | undefined;
  /** Nothing is due before: what `nextDeadline` last said. undefined: something has happened since. */
  #quietUntil: number | undefined;

  /** Throws RangeError for IGMP options that `checkTimes` faults. */
  constructor(options: RouterOptions, entropy: Entropy) {
    this.#downstreams = new Map(
      options.downstreams.map((one) => [
        one.name,
        { options: one, machine: new RouterInterface(one.igmp), up: false, subnets: undefined },
      ]),
    );
    this.#upstreams = new Map((options.upstreams ?? []).map((one) => [one.name, new Upstream(one, entropy)]));
    this.#maxRoutesPerSource = options.maxRoutesPerSource ?? 64;
    this.#routes = new MulticastRoutes(options.idle ?? seconds(180), options.maxRoutes ?? 1024);
  }

  receive(now: Instant, event: RouterEvent): readonly RouterEffect[] {
    const due = this.#quietUntil !== undefined && now < this.#quietUntil ? [] : this.#due(now);
    this.#quietUntil = undefined;
    return routesFirst([...due, ...this.#take(now, event)]);
  }

  #take(now: Instant, event: RouterEvent): readonly RouterEffect[] {
    switch (event.kind) {
      case "link":
        return this.#link(now, event);
      case "configure":
        return this.#configure(now, event);
      case "stop":
        return this.#stop(now);
      case "inherited":
        return this.#inherit(now, event.routes);
      case "packet":
        return this.#packet(now, event);
      case "frame":
        return this.#frame(now, event);
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
    return routesFirst(this.#due(now));
  }

  #due(now: Instant): RouterEffect[] {
    const effects: RouterEffect[] = [];
    for (const [name, { machine }] of this.#downstreams)
      effects.push(...this.#downstream(now, name, machine.poll(now)));
    for (const upstream of this.#upstreams.values()) effects.push(...fromHost(upstream, upstream.poll(now)));
    effects.push(...this.#refused.poll(now).map(unroute));
    if (this.#countAt !== undefined && this.#countAt <= now) {
      this.#countAt = after(now, COUNT_EVERY);
      if (this.#routes.size > 0) effects.push({ kind: "count-routes" });
    }
    return effects;
  }

  nextDeadline(): Instant | undefined {
    const deadlines = [this.#refused.nextDeadline(), this.#routes.size > 0 ? this.#countAt : undefined];
    for (const { machine } of this.#downstreams.values()) deadlines.push(machine.nextDeadline());
    for (const upstream of this.#upstreams.values()) deadlines.push(upstream.nextDeadline());
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

  routes(): ReturnType<MulticastRoutes["all"]> {
    return this.#routes.all();
  }

  #stop(now: Instant): readonly RouterEffect[] {
    const event = { kind: "stop" } as const;
    return [
      ...[...this.#downstreams].flatMap(([name, { machine }]) =>
        this.#downstream(now, name, machine.receive(now, event)),
      ),
      ...[...this.#upstreams.values()].flatMap((upstream) => fromHost(upstream, upstream.leaveAll(now))),
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

  #configure(
    now: Instant,
    { downstreams, upstreams = [] }: RouterEvent & { kind: "configure" },
  ): readonly RouterEffect[] {
    for (const options of upstreams) this.#upstreams.get(options.name)?.configure(options);
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
    known.options = options;
    const effects = known.machine.receive(now, { kind: "configure", options: options.igmp ?? {} });
    // What may be received may have changed too.
    const groups = known.machine.groups(now);
    return [
      ...this.#downstream(now, name, effects),
      ...groups.flatMap(({ group, filter }) => this.#membership(now, name, { kind: "membership", group, filter })),
    ];
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
      return wantsNothing(filter) || !this.#allowed(name, group)
        ? []
        : machine.receive(now, { kind: "assume", group, filter, span });
    });
  }

  #packet(now: Instant, { name, ...packet }: RouterEvent & { kind: "packet" }): readonly RouterEffect[] {
    const downstream = this.#downstreams.get(name);
    if (downstream !== undefined) return this.#downstream(now, name, downstream.machine.receive(now, packet));
    const upstream = this.#upstreams.get(name);
    if (upstream !== undefined) return fromHost(upstream, upstream.receive(now, packet));
    return [drop(name, "router.unknown-interface")];
  }

  #frame(now: Instant, { name, ...frame }: RouterEvent & { kind: "frame" }): readonly RouterEffect[] {
    const downstream = this.#downstreams.get(name);
    if (downstream === undefined) return [drop(name, "router.unknown-interface")];
    return this.#downstream(now, name, downstream.machine.receive(now, frame));
  }

  #downstream(now: Instant, name: string, effects: readonly RouterInterfaceEffect[]): RouterEffect[] {
    return effects.flatMap((effect) => this.#fromDownstream(now, name, effect));
  }

  #fromDownstream(now: Instant, name: string, effect: RouterInterfaceEffect): readonly RouterEffect[] {
    switch (effect.kind) {
      case "membership":
        return this.#membership(now, name, effect);
      case "host-joined":
        return [{ kind: "joined", number: 71, name, membership: effect.membership }];
      case "host-left":
        return [{ ...effect, kind: "left", number: effect.cause === "left" ? 81 : undefined, name }];
      case "querier":
        return [{ ...effect, name }, ...this.#reroute(now)];
      case "send":
      case "older-querier":
      case "query-refused":
        return [{ ...effect, name }];
      case "heard":
        return [{ kind: "heard", name, message: effect.message, unfilled: effect.unfilled }];
      case "drop":
        return [{ ...effect, name }, ...refusal(name, effect)];
    }
  }

  #membership(
    now: Instant,
    name: string,
    { group, filter }: RouterInterfaceEffect & { kind: "membership" },
  ): readonly RouterEffect[] {
    const allowed = this.#allowed(name, group);
    const change = this.#wanted.set(name, group, allowed ? filter : NO_SOURCE);
    return [
      ...this.#refused.release(group).map(unroute),
      ...this.#reroute(now, group),
      allowed ? { kind: "membership", name, group, filter } : drop(name, "router.group-denied"),
      ...(change === undefined ? [] : this.#want(now, change)),
    ];
  }

  /** RFC 4605 4.1: the merged state is what our host part upstream wants; of a group that comes from elsewhere, nothing. */
  #want(now: Instant, change: UpstreamChange): readonly RouterEffect[] {
    const chosen = this.#upstreamOf(change.group);
    return [...this.#upstreams.values()].flatMap((upstream) =>
      fromHost(upstream, upstream.want(now, upstream === chosen ? change : { ...change, filter: NO_SOURCE })),
    );
  }

  #upstreamOf(group: Ipv4): Upstream | undefined {
    return upstreamOf(group, this.#upstreams.values());
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
      return { name, up, isUpstream: false, subnets, allowed: options.sources };
    }
    const upstream = this.#upstreamOf(group);
    if (upstream?.name !== name) return undefined;
    return { name, up: upstream.up, isUpstream: true, subnets: undefined, allowed: upstream.sources };
  }

  #mayEnter({ source, group, inbound }: MulticastRoute): boolean {
    const side = this.#side(inbound, group);
    return side?.up === true && mayEnter(source, side);
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
    if (this.#downstreams.has(heard) && this.#routes.countOf(source, heard) >= this.#maxRoutesPerSource)
      return this.#refuse(now, { source, group, inbound: heard }, "router.too-many-routes-of-source");
    const outbound = ingress === undefined ? [] : this.#outbound(now, source, group, ingress);
    const route = { source, group, inbound: ingress ?? heard, outbound };
    const room = this.#routes.full ? this.#makeRoom(route) : [];
    if (this.#routes.full) return this.#refuse(now, { source, group, inbound: heard }, "router.too-many-routes");
    return [...room, ...this.#set(now, route)];
  }

  #refuse(now: Instant, stream: RefusedStream, reason: RouterDrop): readonly RouterEffect[] {
    const nowhere: RouterEffect = { kind: "route", route: { ...stream, outbound: [] } };
    return [nowhere, ...this.#refused.add(now, stream).map(unroute), drop(stream.inbound, reason)];
  }

  #foreign(now: Instant, seen: Omit<Intruder, "times">): readonly RouterEffect[] {
    const intruder = this.#intruders.note(now, seen);
    const told: RouterEffect[] = intruder === undefined ? [] : [{ kind: "intruder", intruder }];
    return [...told, drop(seen.name, "router.foreign-source")];
  }

  #wrongInterface(now: Instant, source: Ipv4, group: Ipv4, inbound: string): readonly RouterEffect[] {
    const dropped = drop(inbound, "router.wrong-interface");
    const route = this.#routes.get(source, group);
    const side = this.#side(inbound, group);
    if (route === undefined || side?.up !== true) return [dropped];
    if (!mayEnter(source, side))
      return [dropped, ...this.#foreign(now, { name: inbound, source, group, expected: route.inbound })];
    // Where both hear it, the upstream wins: what a LAN host sends under the headend's address must not keep out the headend.
    if (side.isUpstream && this.#downstreams.has(route.inbound)) {
      const outbound = this.#outbound(now, source, group, inbound);
      const usurper = this.#foreign(now, { name: route.inbound, source, group, expected: inbound });
      return [...this.#set(now, { source, group, inbound, outbound }), ...usurper];
    }
    this.#countAt = earliest([this.#countAt, after(now, LOOK_AFTER)]);
    return [dropped];
  }

  /** Streams that nobody here wants, as anybody may send them, do not keep out one that is wanted. */
  #makeRoom(route: MulticastRoute): readonly RouterEffect[] {
    return this.#isWanted(route) ? this.#routes.removeIdlest() : [];
  }

  #isWanted({ outbound }: MulticastRoute): boolean {
    return outbound.some((name) => this.#downstreams.has(name));
  }

  #set(now: Instant, route: MulticastRoute): readonly RouterEffect[] {
    return this.#routes.set(now, route, this.#isWanted(route));
  }

  /** RFC 4605 4.2: never back; upstream what comes from below; down where it is subscribed and we are the forwarder. */
  #outbound(now: Instant, source: Ipv4, group: Ipv4, inbound: string): readonly string[] {
    const origin = this.#upstreams.get(inbound);
    if (isLinkLocalMulticast(group) || origin?.mayJoin(group) === false) return [];
    const down = [...this.#downstreams].filter(
      ([name, { machine, options }]) =>
        name !== inbound &&
        (options.forwarder !== "elected" || machine.querier.kind === "querier") &&
        this.#allowed(name, group) &&
        machine.forwards(now, group, source),
    );
    const upstream = origin === undefined ? this.#upstreamOf(group) : undefined;
    const up = upstream?.up === true && upstream.maySend(group) ? [upstream.name] : [];
    return [...up, ...down.map(([name]) => name)];
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

  #allowed(name: string, group: Ipv4): boolean {
    const options = this.#downstreams.get(name)?.options;
    return mayReceive(group, options?.allow ?? [], options?.deny ?? []);
  }
}

/** What of a drop is evidence: a join that was not honoured. */
function refusal(name: string, drop: RouterInterfaceEffect & { kind: "drop" }): readonly RouterEffect[] {
  const { reason, host, group } = drop;
  return host !== undefined && isRefused(reason) ? [{ kind: "refused", name, host, group, reason }] : [];
}

const drop = (name: string, reason: RouterDrop): RouterEffect => ({ kind: "drop", name, reason });

const unroute = ({ source, group }: RefusedStream): RouterEffect => ({ kind: "unroute", source, group });

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

const isRoute = ({ kind }: RouterEffect): boolean => kind === "route" || kind === "unroute";
