// The kernel's multicast forwarding cache as it is to be: every stream that came in has a route, which follows what is wanted.
import type { Address, AddressFamily } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, earliest, type Instant, seconds } from "../base/time.ts";
import type { MulticastRoute, RouteUse } from "../ports/forwarding.ts";
import type { StreamPath } from "./delivery-path.ts";
import type { Downstream } from "./downstream.ts";
import { drop, unroute } from "./effects.ts";
import { type Egress, NOWHERE } from "./egress.ts";
import { type Arrival, Ingress } from "./ingress.ts";
import type { Interfaces } from "./interfaces.ts";
import { type Intruder, Intruders } from "./intruders.ts";
import type { RouterDrop, RouterEffect } from "./options.ts";
import { RefusedRoutes, type RefusedStream } from "./refused-routes.ts";
import { type PlaceOptions, RoutePlaces } from "./route-places.ts";
import { MulticastRoutes, type RouteEffect } from "./routes.ts";

/** How many routes there are, and for how long one without traffic. */
export interface CacheOptions extends PlaceOptions {
  readonly idle: Duration;
}

/** Between two looks at the route counters, while there are routes. */
const COUNT_EVERY: Duration = seconds(30);

/** After a packet came in where its route goes out: whether the source has moved there; and whether a foreign route was true. */
const LOOK_AFTER: Duration = seconds(1);

/** Of one router; where a stream comes in it decides by its interfaces, where it leaves by `egress`. */
export class ForwardingCache<A extends Address = Ipv4> {
  readonly #interfaces: Interfaces<A>;
  readonly #ingress: Ingress<A>;
  readonly #egress: Egress<A>;
  readonly #routes: MulticastRoutes<A>;
  readonly #places: RoutePlaces<A>;
  readonly #refused = new RefusedRoutes<A>();
  readonly #intruders = new Intruders<A>();
  #countAt: Instant | undefined;

  constructor(family: AddressFamily<A>, interfaces: Interfaces<A>, egress: Egress<A>, options: CacheOptions) {
    this.#interfaces = interfaces;
    this.#ingress = new Ingress<A>(family, interfaces);
    this.#egress = egress;
    this.#routes = new MulticastRoutes<A>(options.idle, options.maxRoutes);
    this.#places = new RoutePlaces<A>(this.#routes, options);
  }

  /** Who sent from where it may not; the last one last. */
  intruders(): readonly Intruder<A>[] {
    return this.#intruders.all();
  }

  all(): readonly MulticastRoute<A>[] {
    return this.#routes.all();
  }

  groups(): readonly A[] {
    return this.#routes.groups();
  }

  of(group: A): readonly MulticastRoute<A>[] {
    return this.#routes.of(group);
  }

  /** Streams of the group that came in and found no room. */
  withoutRoom(group: A): readonly RefusedStream<A>[] {
    return this.#refused.of(group);
  }

  /** The streams of the group, and what keeps each from a downstream. */
  paths(now: Instant, downstream: Downstream<A>, group: A): readonly StreamPath<A>[] {
    return this.of(group).map((route) => {
      const lack = this.#mayEnter(route) ? this.#egress.lack(now, downstream, route) : "foreign";
      return { route, lack };
    });
  }

  /** The kernel has no entry for a packet that came in. */
  noRoute(now: Instant, stream: Arrival<A>): readonly RouterEffect<A>[] {
    const { source, group, inbound } = stream;
    if (!this.#interfaces.has(inbound)) return [drop(inbound, "router.unknown-interface")];
    if (this.#routes.size === 0) this.#countAt = after(now, COUNT_EVERY);
    // One that we remember is gone there.
    const forgotten = this.#routes.remove(source, group).filter(({ kind }) => kind === "delivery");
    const ingress = this.#ingress.of(stream);
    const foreign = ingress === inbound ? [] : this.#foreign(now, stream, ingress);
    return [...forgotten, ...foreign, ...this.#install(now, stream, ingress)];
  }

  /** A packet came in where the route of its stream goes out. */
  wrongInterface(now: Instant, stream: Arrival<A>): readonly RouterEffect<A>[] {
    const { source, group, inbound } = stream;
    const dropped = drop(inbound, "router.wrong-interface");
    const route = this.#routes.get(source, group);
    const verdict = this.#ingress.verdict(stream);
    if (route === undefined || verdict === "closed") return [dropped];
    if (verdict === "foreign") return [dropped, ...this.#foreign(now, stream, route.inbound)];
    // Where both hear it, the upstream wins: what a LAN host sends under the headend's address must not keep out the headend.
    const { downstreams } = this.#interfaces;
    if (!downstreams.has(inbound) && downstreams.has(route.inbound))
      return [...this.#lead(now, stream), ...this.#foreign(now, route, inbound)];
    this.#countSoon(now);
    return [dropped];
  }

  /** The kernel's counters. */
  use(now: Instant, uses: readonly RouteUse<A>[]): readonly RouteEffect<A>[] {
    return this.#routes.use(now, uses);
  }

  /** Keeps what a predecessor left, as far as it may stay; the kernel asks again about what may not. */
  adopt(now: Instant, routes: readonly MulticastRoute<A>[]): readonly RouterEffect<A>[] {
    const wantedFirst = [...routes].sort((a, b) => Number(this.#isWanted(b)) - Number(this.#isWanted(a)));
    const refused = wantedFirst.flatMap((route) => this.#adoptOne(now, route));
    if (this.#routes.size > 0) this.#countAt ??= after(now, COUNT_EVERY);
    return refused;
  }

  /** Brings the routes of a group in line with what is wanted now; the kernel asks anew about streams that found no room. */
  wants(now: Instant, group: A): readonly RouterEffect<A>[] {
    const routes = this.of(group).filter((route) => this.#mayEnter(route));
    return [...this.#refused.release(group).map(unroute), ...routes.flatMap((route) => this.#lead(now, route))];
  }

  /** Brings all routes in line with what is wanted, and may be, now. A source may be one of another interface: the kernel asks anew. */
  review(now: Instant): readonly RouteEffect<A>[] {
    return this.all().flatMap((route) =>
      this.#mayEnter(route) ? this.#lead(now, route) : this.#routes.remove(route.source, route.group),
    );
  }

  /** Nothing comes from the interface any more. */
  withoutInbound(name: string): readonly RouteEffect<A>[] {
    const lost = this.all().filter(({ inbound }) => inbound === name);
    return lost.flatMap(({ source, group }) => this.#routes.remove(source, group));
  }

  poll(now: Instant): readonly RouterEffect<A>[] {
    const effects: RouterEffect<A>[] = [...this.#refused.poll(now).map(unroute), ...this.#intruders.poll(now)];
    if (this.#countAt === undefined || this.#countAt > now) return effects;
    this.#countAt = after(now, COUNT_EVERY);
    return this.#routes.size > 0 ? [...effects, { kind: "count-routes" }] : effects;
  }

  nextDeadline(): Instant | undefined {
    const counting = this.#routes.size > 0 ? this.#countAt : undefined;
    return earliest([this.#refused.nextDeadline(), this.#intruders.nextDeadline(), counting]);
  }

  /**
   * A packet that may not come in where it did gets the route of those that may: the kernel drops what comes in elsewhere, and the
   * true stream needs no upcall to flow. With no place for it, a route to nowhere keeps the kernel from asking again.
   */
  #install(now: Instant, stream: Arrival<A>, ingress: string | undefined): readonly RouterEffect<A>[] {
    const { source, group, inbound: heard } = stream;
    this.#refused.forget(stream);
    const { outbound, ready } =
      ingress === undefined ? NOWHERE : this.#egress.of(now, { source, group, inbound: ingress });
    const route = { source, group, inbound: ingress ?? heard, outbound };
    const foreign = ingress === heard ? undefined : heard;
    const isFromBelow = this.#interfaces.downstreams.has(heard);
    const place = this.#places.take({ route, isWanted: this.#isWanted(route), isFromBelow, foreign });
    if (typeof place === "string") return this.#refuse(now, stream, place);
    return [...place, ...this.#set(now, route, ready, foreign)];
  }

  #refuse(now: Instant, stream: RefusedStream<A>, reason: RouterDrop): readonly RouterEffect<A>[] {
    const nowhere: RouterEffect<A> = { kind: "route", route: { ...stream, outbound: [] } };
    return [nowhere, ...this.#refused.add(now, stream).map(unroute), drop(stream.inbound, reason)];
  }

  #foreign(
    now: Instant,
    { source, group, inbound }: Arrival<A>,
    expected: string | undefined,
  ): readonly RouterEffect<A>[] {
    const told = this.#intruders.note(now, { name: inbound, source, group, expected });
    return [...told, drop(inbound, "router.foreign-source")];
  }

  #adoptOne(now: Instant, route: MulticastRoute<A>): readonly RouterEffect<A>[] {
    if (this.#mayEnter(route) && !this.#routes.full) {
      this.#routes.adopt(now, route, this.#isWanted(route));
      return [];
    }
    return [unroute(route), ...(this.#routes.full ? [drop(route.inbound, "router.too-many-routes")] : [])];
  }

  #lead(now: Instant, { source, group, inbound }: Arrival<A>): readonly RouteEffect<A>[] {
    const { outbound, ready } = this.#egress.of(now, { source, group, inbound });
    return this.#set(now, { source, group, inbound, outbound }, ready);
  }

  /** `foreign`: of a new one, where the packet came in that made it, if its source may not send there. */
  #set(now: Instant, route: MulticastRoute<A>, ready: readonly string[], foreign?: string): readonly RouteEffect<A>[] {
    const effects = this.#routes.set(now, route, { wanted: this.#isWanted(route), ready, foreign });
    if (effects.length > 0 && this.#routes.isUnproven(route)) this.#countSoon(now);
    return effects;
  }

  #countSoon(now: Instant): void {
    this.#countAt = earliest([this.#countAt, after(now, LOOK_AFTER)]);
  }

  #mayEnter(route: MulticastRoute<A>): boolean {
    return this.#ingress.verdict(route) === "open";
  }

  /** Somebody here receives by it. */
  #isWanted({ outbound }: MulticastRoute<A>): boolean {
    return outbound.some((name) => this.#interfaces.downstreams.has(name));
  }
}
