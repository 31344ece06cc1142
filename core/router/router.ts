// One router process (patent 12, 22, 32, 42): IGMP end point downstream, host upstream (RFC 4605), and the routes between them.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Machine } from "../base/machine.ts";
import { earliest, type Instant, seconds } from "../base/time.ts";
import type { RuleName } from "../igmp/admission.ts";
import type { PortView } from "../igmp/port-table.ts";
import type { UpstreamChange } from "../igmp/proxy.ts";
import type { RouterInterface } from "../igmp/router-interface.ts";
import type { MembershipWire } from "../igmp/wire.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { MulticastRoute } from "../ports/forwarding.ts";
import { type DeliveryPath, downstreamPath, upstreamPath } from "./delivery-path.ts";
import { Demand } from "./demand.ts";
import { Downstream } from "./downstream.ts";
import { drop, fromHost, heardUpstream, routesFirst } from "./effects.ts";
import { Egress } from "./egress.ts";
import { ForwardingCache } from "./forwarding-cache.ts";
import { Interfaces } from "./interfaces.ts";
import type { Intruder } from "./intruders.ts";
import type { DownstreamOptions, RouterEffect, RouterEvent, RouterOptions } from "./options.ts";
import { Policy } from "./policy/policy.ts";
import type { ProxyView } from "./proxy-reports.ts";
import { Receivers } from "./receivers.ts";
import { Upstream } from "./upstream.ts";

/** Events of every interface in, effects for sockets, kernel and reports out. */
export class Router<A extends Address = Ipv4> implements Machine<RouterEvent<A>, RouterEffect<A>> {
  readonly #wire: MembershipWire<A>;
  readonly #interfaces: Interfaces<A>;
  readonly #cache: ForwardingCache<A>;
  readonly #demand: Demand<A>;
  readonly #receivers: Receivers<A>;
  readonly #policy: Policy<A>;
  /** Nothing is due before: what `nextDeadline` last said. undefined: something has happened since. */
  #quietUntil: number | undefined;

  /** Throws RangeError for IGMP options that `checkTimes` faults. */
  constructor(wire: MembershipWire<A>, options: RouterOptions<A>, entropy: Entropy) {
    this.#wire = wire;
    const { downstreams, upstreams = [], idle = seconds(180), maxRoutes = 1024, maxRoutesPerSource = 64 } = options;
    this.#policy = new Policy<A>(wire.family, options, { downstreams, upstreams }, (group) =>
      this.#interfaces.uplinkOf(group),
    );
    this.#interfaces = new Interfaces<A>(
      downstreams.map((one) => new Downstream<A>(wire, one, this.#policy.admission(one.name), entropy)),
      upstreams.map((one) => new Upstream<A>(wire, one, entropy)),
    );
    const egress = new Egress<A>(wire.family, this.#interfaces, this.#policy);
    this.#cache = new ForwardingCache<A>(wire.family, this.#interfaces, egress, {
      idle,
      maxRoutes,
      maxRoutesPerSource,
    });
    this.#demand = new Demand<A>(wire.family, this.#interfaces, this.#policy, this.#cache);
    this.#receivers = new Receivers<A>(this.#downstreams, this.#policy, this.#cache, this.#demand);
  }

  get #downstreams(): ReadonlyMap<string, Downstream<A>> {
    return this.#interfaces.downstreams;
  }

  get #upstreams(): ReadonlyMap<string, Upstream<A>> {
    return this.#interfaces.upstreams;
  }

  receive(now: Instant, event: RouterEvent<A>): readonly RouterEffect<A>[] {
    const due = this.#quietUntil !== undefined && now < this.#quietUntil ? [] : this.#due(now);
    this.#quietUntil = undefined;
    return routesFirst([...due, ...this.#take(now, event), ...this.#ask(now)]);
  }

  #take(now: Instant, event: RouterEvent<A>): readonly RouterEffect<A>[] {
    switch (event.kind) {
      case "link":
        return this.#link(now, event);
      case "configure":
        return this.#configure(now, event);
      case "permits":
        return this.#receivers.permitted(now, event.permits);
      case "guarded":
        this.#policy.adopt(now, event.passes);
        return [];
      case "restored":
        this.#policy.restore(now, event.permits);
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
        return this.#receivers.bridge(now, event);
      case "speak-at":
        return this.#receivers.speakAt(now, event);
      case "ask-all":
        return this.#receivers.askAll(now, event.name);
      case "no-route":
        return this.#cache.noRoute(now, event);
      case "wrong-interface":
        return this.#cache.wrongInterface(now, event);
      case "use":
        return this.#cache.use(now, event.uses);
    }
  }

  poll(now: Instant): readonly RouterEffect<A>[] {
    this.#quietUntil = undefined;
    return routesFirst([...this.#due(now), ...this.#ask(now)]);
  }

  #due(now: Instant): readonly RouterEffect<A>[] {
    return [
      ...this.#receivers.poll(now),
      ...[...this.#upstreams.values()].flatMap((upstream) => fromHost(upstream, upstream.poll(now))),
      ...this.#receivers.endOverdue(now),
      ...this.#cache.poll(now),
    ];
  }

  /** What is to be asked now: of those who were refused, and of control. */
  #ask(now: Instant): readonly RouterEffect<A>[] {
    return [...this.#receivers.askRefused(now), ...this.#policy.permitEffects(now)];
  }

  nextDeadline(): Instant | undefined {
    const deadlines = [this.#cache.nextDeadline(), this.#policy.nextDeadline()];
    for (const downstream of this.#downstreams.values()) deadlines.push(downstream.nextDeadline());
    for (const upstream of this.#upstreams.values()) deadlines.push(upstream.nextDeadline());
    const next = earliest(deadlines);
    this.#quietUntil = next ?? Number.POSITIVE_INFINITY;
    return next;
  }

  /** The downstream interfaces with their state, for status. */
  *interfaces(): Generator<readonly [name: string, machine: RouterInterface<A>]> {
    for (const [name, { machine }] of this.#downstreams) yield [name, machine];
  }

  /** The interfaces towards the sources, for status. */
  upstreams(): Iterable<Upstream<A>> {
    return this.#upstreams.values();
  }

  /** What the downstreams want of the groups of `upstream`, for status. */
  wanted(upstream: Upstream<A>): readonly UpstreamChange<A>[] {
    return this.#demand.of(upstream);
  }

  /** Who sent from where it may not, for status. */
  intruders(): readonly Intruder<A>[] {
    return this.#cache.intruders();
  }

  /** What is carried of what may be, for status. */
  loads(): ReturnType<Policy<A>["loads"]> {
    return this.#policy.loads();
  }

  /** Of control's word, for status; undefined where it is not asked. */
  permits(now: Instant): ReturnType<Policy<A>["permitSummary"]> {
    return this.#policy.permitSummary(now);
  }

  /** What control permits, for the next process; undefined where it is not asked. */
  keptPermits(now: Instant): ReturnType<Policy<A>["keptPermits"]> {
    return this.#policy.keptPermits(now);
  }

  routes(): readonly MulticastRoute<A>[] {
    return this.#cache.all();
  }

  #stop(now: Instant): readonly RouterEffect<A>[] {
    // First upstream, and all at once: by the ends of thousands of groups below it would be a report for each.
    return [
      ...[...this.#upstreams.values()].flatMap((upstream) => fromHost(upstream, upstream.leaveAll(now))),
      ...this.#receivers.stop(now),
    ];
  }

  #link(now: Instant, event: RouterEvent<A> & { kind: "link" }): readonly RouterEffect<A>[] {
    const { name } = event;
    const [downstream, upstream] = [this.#downstreams.get(name), this.#upstreams.get(name)];
    if (downstream !== undefined) return this.#moved(now, event, this.#receivers.link(now, downstream, event));
    if (upstream !== undefined) return this.#moved(now, event, linkUpstream(now, upstream, event));
    return [drop(name, "router.unknown-interface")];
  }

  /** The routes follow what has become of an interface. */
  #moved(
    now: Instant,
    { name, address }: RouterEvent<A> & { kind: "link" },
    effects: readonly RouterEffect<A>[],
  ): readonly RouterEffect<A>[] {
    return [...effects, ...(address === undefined ? this.#cache.withoutInbound(name) : []), ...this.#cache.review(now)];
  }

  #configure(now: Instant, event: RouterEvent<A> & { kind: "configure" }): readonly RouterEffect<A>[] {
    const { downstreams, upstreams = [] } = event;
    for (const options of upstreams) this.#upstreams.get(options.name)?.configure(options);
    const scope = {
      downstreams: this.#named(downstreams),
      upstreams: Array.from(this.#upstreams.values(), ({ options }) => options),
    };
    this.#policy.configure(event, scope, now);
    return [
      ...(upstreams.length === 0 ? [] : this.#demand.tellAll(now)),
      ...downstreams.flatMap((options) => this.#receivers.configure(now, options)),
      ...this.#cache.review(now),
    ];
  }

  /** The downstreams as they are to be, those that are not told as they were. */
  #named(changed: readonly DownstreamOptions<A>[]): readonly DownstreamOptions<A>[] {
    return Array.from(this.#downstreams, ([name, { options }]) => changed.find((one) => one.name === name) ?? options);
  }

  #inherit(now: Instant, routes: readonly MulticastRoute<A>[]): readonly RouterEffect<A>[] {
    return [...this.#cache.adopt(now, routes), ...this.#receivers.assume(now), ...this.#cache.review(now)];
  }

  #packet(now: Instant, event: RouterEvent<A> & { kind: "packet" }): readonly RouterEffect<A>[] {
    const [downstream, upstream] = [this.#downstreams.get(event.name), this.#upstreams.get(event.name)];
    if (downstream !== undefined) return this.#receivers.packet(now, downstream, event);
    if (upstream === undefined) return [drop(event.name, "router.unknown-interface")];
    const { name, ...packet } = event;
    return [...heardUpstream(this.#wire, name, packet.bytes), ...fromHost(upstream, upstream.receive(now, packet))];
  }

  #frame(now: Instant, event: RouterEvent<A> & { kind: "frame" }): readonly RouterEffect<A>[] {
    const downstream = this.#downstreams.get(event.name);
    if (downstream === undefined) return [drop(event.name, "router.unknown-interface")];
    return this.#receivers.frame(now, downstream, event);
  }

  /** What each bridge port of a downstream gets, as the effects said; for a bridge that has forgotten it. */
  portMemberships(now: Instant, name: string): readonly RouterEffect<A>[] {
    const downstream = this.#downstreams.get(name);
    return downstream === undefined ? [] : this.#receivers.portMemberships(now, downstream);
  }

  /** What is known of the bridge ports of a downstream, for status; undefined where nothing is kept of them. */
  ports(now: Instant, name: string): readonly PortView<A>[] | undefined {
    return this.#downstreams.get(name)?.ports(now);
  }

  /** The rule for which nobody behind the downstream may receive the group, or that source of it. For `--why`. */
  denial(name: string, group: A, source?: A): RuleName | undefined {
    return this.#policy.denial(name, group, source);
  }

  /** What routers behind the bridge ports of a downstream are told in place of hosts' reports, for status; undefined where they hear the hosts. */
  proxied(now: Instant, name: string): readonly ProxyView<A>[] | undefined {
    return this.#downstreams.get(name)?.reports?.view(now);
  }

  /** What decides whether a group reaches a downstream, as it is now; undefined for an interface that is none. For `--why`. */
  path(now: Instant, name: string, group: A): DeliveryPath<A> | undefined {
    const downstream = this.#downstreams.get(name);
    if (downstream === undefined) return undefined;
    return {
      ...downstreamPath(downstream, group),
      withoutRoom: this.#cache.withoutRoom(group),
      deniedBy: this.denial(name, group),
      upstream: upstreamPath(now, this.#interfaces.upstreamOf(group), group),
      streams: this.#cache.paths(now, downstream, group),
    };
  }
}

function linkUpstream<A extends Address>(
  now: Instant,
  upstream: Upstream<A>,
  { address, mtu = 1500 }: RouterEvent<A> & { kind: "link" },
): readonly RouterEffect<A>[] {
  upstream.up = address !== undefined;
  const event = address === undefined ? ({ kind: "down" } as const) : ({ kind: "up", address, mtu } as const);
  return fromHost(upstream, upstream.receive(now, event));
}
