// One router process (patent 12, 22, 32, 42): IGMP end point downstream, host upstream (RFC 4605), and the routes between them.
import { type Ipv4, isLinkLocalMulticast } from "../base/ipv4.ts";
import type { Machine } from "../base/machine.ts";
import { after, type Duration, earliest, type Instant, seconds } from "../base/time.ts";
import { NO_SOURCE } from "../igmp/filter.ts";
import { MulticastHost, type MulticastHostEffect } from "../igmp/host.ts";
import type { RouterInterfaceEffect } from "../igmp/interface-events.ts";
import { MembershipDatabase, type UpstreamChange } from "../igmp/proxy.ts";
import { RouterInterface } from "../igmp/router-interface.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { MulticastRoute } from "../ports/forwarding.ts";
import { mayReceive } from "./group-access.ts";
import type { DownstreamOptions, RouterDrop, RouterEffect, RouterEvent, RouterOptions } from "./options.ts";
import { MulticastRoutes } from "./routes.ts";

/** Between two looks at the route counters, while there are routes. */
const COUNT_EVERY: Duration = seconds(30);

/** After a packet came in where its route goes out: whether the source has moved there. */
const LOOK_AFTER: Duration = seconds(1);

interface Downstream {
  options: DownstreamOptions;
  readonly machine: RouterInterface;
}

interface Upstream {
  readonly name: string;
  readonly machine: MulticastHost;
  up: boolean;
}

/** Events of every interface in, effects for sockets, kernel and reports out. */
export class Router implements Machine<RouterEvent, RouterEffect> {
  readonly #downstreams: ReadonlyMap<string, Downstream>;
  readonly #upstream: Upstream | undefined;
  readonly #wanted = new MembershipDatabase();
  readonly #routes: MulticastRoutes;
  #countAt: Instant | undefined;

  /** Throws RangeError for IGMP options that `checkTimes` faults. */
  constructor(options: RouterOptions, entropy: Entropy) {
    this.#downstreams = new Map(
      options.downstreams.map((one) => [one.name, { options: one, machine: new RouterInterface(one.igmp) }]),
    );
    this.#upstream = options.upstream && {
      name: options.upstream.name,
      machine: new MulticastHost(entropy, { version: options.upstream.version ?? 3 }),
      up: false,
    };
    this.#routes = new MulticastRoutes(options.idle ?? seconds(180), options.maxRoutes ?? 1024);
  }

  receive(now: Instant, event: RouterEvent): readonly RouterEffect[] {
    return [...this.poll(now), ...this.#take(now, event)];
  }

  #take(now: Instant, event: RouterEvent): readonly RouterEffect[] {
    switch (event.kind) {
      case "link":
        return this.#link(now, event);
      case "stop":
        return [...this.#downstreams].flatMap(([name, { machine }]) =>
          this.#downstream(now, name, machine.receive(now, event)),
        );
      case "configure":
        return event.downstreams.flatMap((options) => this.#configure(now, options));
      case "packet":
        return this.#packet(now, event);
      case "frame":
        return this.#frame(now, event);
      case "no-route":
        return this.#noRoute(now, event.source, event.group, event.inbound);
      case "wrong-interface":
        this.#countAt = earliest([this.#countAt, after(now, LOOK_AFTER)]);
        return [drop(event.inbound, "router.wrong-interface")];
      case "use":
        return this.#routes.use(now, event.uses);
    }
  }

  poll(now: Instant): readonly RouterEffect[] {
    const effects: RouterEffect[] = [];
    for (const [name, { machine }] of this.#downstreams)
      effects.push(...this.#downstream(now, name, machine.poll(now)));
    if (this.#upstream !== undefined) effects.push(...this.#fromHost(this.#upstream.machine.poll(now)));
    if (this.#countAt !== undefined && this.#countAt <= now) {
      this.#countAt = after(now, COUNT_EVERY);
      if (this.#routes.size > 0) effects.push({ kind: "count-routes" });
    }
    return effects;
  }

  nextDeadline(): Instant | undefined {
    const machines = [...this.#downstreams.values()].map(({ machine }) => machine.nextDeadline());
    const counting = this.#routes.size > 0 ? this.#countAt : undefined;
    return earliest([...machines, this.#upstream?.machine.nextDeadline(), counting]);
  }

  /** The downstream interfaces with their state, for status. */
  *interfaces(): Generator<readonly [name: string, machine: RouterInterface]> {
    for (const [name, { machine }] of this.#downstreams) yield [name, machine];
  }

  /** What is asked for upstream, for status. */
  wanted(): readonly UpstreamChange[] {
    return this.#wanted.groups();
  }

  routes(): ReturnType<MulticastRoutes["all"]> {
    return this.#routes.all();
  }

  #link(now: Instant, { kind: _, name, address, ...facts }: RouterEvent & { kind: "link" }): readonly RouterEffect[] {
    const event = address === undefined ? ({ kind: "down" } as const) : ({ kind: "up", address, ...facts } as const);
    const downstream = this.#downstreams.get(name);
    if (downstream !== undefined) {
      const effects = this.#downstream(now, name, downstream.machine.receive(now, event));
      return [...effects, ...(address === undefined ? this.#withoutInbound(name) : []), ...this.#reroute(now)];
    }
    if (this.#upstream?.name !== name) return [drop(name, "router.unknown-interface")];
    this.#upstream.up = address !== undefined;
    const effects = this.#fromHost(this.#upstream.machine.receive(now, event));
    return [...effects, ...(address === undefined ? this.#withoutInbound(name) : []), ...this.#reroute(now)];
  }

  #configure(now: Instant, options: DownstreamOptions): readonly RouterEffect[] {
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

  #packet(now: Instant, { name, ...packet }: RouterEvent & { kind: "packet" }): readonly RouterEffect[] {
    const downstream = this.#downstreams.get(name);
    if (downstream !== undefined) return this.#downstream(now, name, downstream.machine.receive(now, packet));
    if (this.#upstream?.name === name) return this.#fromHost(this.#upstream.machine.receive(now, packet));
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
        return [{ ...effect, name }];
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
      allowed ? { kind: "membership", name, group, filter } : drop(name, "router.group-denied"),
      ...this.#want(now, change),
      ...this.#reroute(now, group),
    ];
  }

  /** RFC 4605 4.1: the merged state is what our host part upstream wants. */
  #want(now: Instant, change: UpstreamChange | undefined): readonly RouterEffect[] {
    if (change === undefined || this.#upstream === undefined) return [];
    return this.#fromHost(this.#upstream.machine.receive(now, { kind: "want", ...change }));
  }

  #fromHost(effects: readonly MulticastHostEffect[]): RouterEffect[] {
    const name = this.#upstream?.name ?? "";
    return effects.map((effect) => upstreamEffect(name, effect));
  }

  #noRoute(now: Instant, source: Ipv4, group: Ipv4, inbound: string): readonly RouterEffect[] {
    if (!this.#downstreams.has(inbound) && this.#upstream?.name !== inbound)
      return [drop(inbound, "router.unknown-interface")];
    if (this.#routes.size === 0) this.#countAt = after(now, COUNT_EVERY);
    // The kernel asks because it has no entry: one that we remember is gone there.
    const forgotten = this.#routes.remove(source, group).filter(({ kind }) => kind === "delivery");
    const route = { source, group, inbound, outbound: this.#outbound(now, source, group, inbound) };
    const room = this.#routes.full ? this.#makeRoom(route) : [];
    if (this.#routes.full) return [...forgotten, drop(inbound, "router.too-many-routes")];
    return [...forgotten, ...room, ...this.#routes.set(now, route)];
  }

  /** Streams that nobody here wants, as anybody may send them, do not keep out one that is wanted. */
  #makeRoom(route: MulticastRoute): readonly RouterEffect[] {
    const isWanted = ({ outbound }: MulticastRoute): boolean => outbound.some((name) => this.#downstreams.has(name));
    return isWanted(route) ? this.#routes.removeIdlest((other) => !isWanted(other)) : [];
  }

  /** RFC 4605 4.2: never back; upstream whatever comes from below; down where it is subscribed and we are the forwarder. */
  #outbound(now: Instant, source: Ipv4, group: Ipv4, inbound: string): readonly string[] {
    if (isLinkLocalMulticast(group)) return [];
    const down = [...this.#downstreams].filter(
      ([name, { machine, options }]) =>
        name !== inbound &&
        (options.forwarder !== "elected" || machine.querier.kind === "querier") &&
        this.#allowed(name, group) &&
        machine.forwards(now, group, source),
    );
    const up = this.#upstream?.up === true && this.#upstream.name !== inbound ? [this.#upstream.name] : [];
    return [...up, ...down.map(([name]) => name)];
  }

  /** Brings the installed routes (of one group, or all) in line with what is wanted now. */
  #reroute(now: Instant, group?: Ipv4): readonly RouterEffect[] {
    return this.#routes.all().flatMap((route) => {
      if (group !== undefined && route.group !== group) return [];
      return this.#routes.set(now, {
        ...route,
        outbound: this.#outbound(now, route.source, route.group, route.inbound),
      });
    });
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

const drop = (name: string, reason: RouterDrop): RouterEffect => ({ kind: "drop", name, reason });

function upstreamEffect(name: string, effect: MulticastHostEffect): RouterEffect {
  switch (effect.kind) {
    case "send":
      return { ...effect, name };
    case "mode":
      return { kind: "upstream-mode", version: effect.version };
    case "drop":
      return drop(name, effect.reason);
  }
}
