// The downstream side of a router: what hosts say there, what the policy lets them have, and what becomes of both.
import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Instant } from "../base/time.ts";
import type { AdmissionRefusal } from "../igmp/admission.ts";
import { mergeFilters, NO_SOURCE, wantsNothing } from "../igmp/filter.ts";
import type { HostMembership } from "../igmp/host-table.ts";
import type { PortFrame, RefusedWhom, RouterInterfaceEffect } from "../igmp/interface-events.ts";
import { isQuery } from "../igmp/messages/packet.ts";
import { heardQuery } from "../igmp/wire.ts";
import type { Demand } from "./demand.ts";
import type { Downstream } from "./downstream.ts";
import { drop, refusal } from "./effects.ts";
import type { ForwardingCache } from "./forwarding-cache.ts";
import { assumedFilter, assumedSpan } from "./inheritance.ts";
import type { DownstreamOptions, RouterEffect, RouterEvent } from "./options.ts";
import type { Permit } from "./policy/permits.ts";
import type { Policy } from "./policy/policy.ts";
import type { ProxyEffect } from "./proxy-reports.ts";
import type { SnoopingEffect } from "./snooping.ts";
import { groupsOf, type StaticGroup } from "./static-groups.ts";

/** What a host that was a member may have now, and why no more. */
interface Restriction<A extends Address = Ipv4>
  extends Required<Pick<RefusedWhom<A>, "host" | "group">>,
    AdmissionRefusal {
  readonly sources: readonly A[];
}

/** Of all downstreams; the routes follow by `demand`, and by `cache` where no membership has changed. */
export class Receivers<A extends Address = Ipv4> {
  readonly #downstreams: ReadonlyMap<string, Downstream<A>>;
  readonly #policy: Policy<A>;
  readonly #cache: ForwardingCache<A>;
  readonly #demand: Demand<A>;

  constructor(
    downstreams: ReadonlyMap<string, Downstream<A>>,
    policy: Policy<A>,
    cache: ForwardingCache<A>,
    demand: Demand<A>,
  ) {
    this.#downstreams = downstreams;
    this.#policy = policy;
    this.#cache = cache;
    this.#demand = demand;
  }

  poll(now: Instant): readonly RouterEffect<A>[] {
    return [...this.#downstreams.values()].flatMap((one) => [
      ...this.#say(now, one, one.machine.poll(now)),
      ...this.#fromPorts(now, one, one.snooping?.poll(now)),
      ...toRouters(one, one.reports?.poll(now)),
    ]);
  }

  /** Ends what the policy does not allow any more: rights that lasted so long, and previews. */
  endOverdue(now: Instant): readonly RouterEffect<A>[] {
    const ended = this.#policy.wordHasEnded(now) ? this.#reviewAll(now) : [];
    const previews = this.#policy.poll(now).flatMap(({ name, ...end }) => {
      const one = this.#downstreams.get(name);
      return one === undefined ? [] : this.#restrict(now, one, { ...end, reason: "policy.preview-over", sources: [] });
    });
    return [...ended, ...previews];
  }

  /** Bandwidth has become free, or a right has come: whoever was refused is asked again, and need not wait for the next general query. */
  askRefused(now: Instant): readonly RouterEffect<A>[] {
    return this.#policy.fittingNow().flatMap(({ name, group }) => {
      const one = this.#downstreams.get(name);
      return one === undefined ? [] : this.#say(now, one, one.machine.receive(now, { kind: "ask", group }));
    });
  }

  /** The interface comes, goes, or has other addresses. */
  link(
    now: Instant,
    one: Downstream<A>,
    { kind: _, name, address, ...facts }: RouterEvent<A> & { kind: "link" },
  ): readonly RouterEffect<A>[] {
    const event = address === undefined ? ({ kind: "down" } as const) : ({ kind: "up", address, ...facts } as const);
    one.up = address !== undefined;
    one.subnets = facts.addresses;
    if (address === undefined) one.reports?.down();
    return [
      ...this.#say(now, one, one.machine.receive(now, event)),
      ...this.#setStatic(now, one, one.options.staticGroups ?? []),
      ...(address === undefined ? [] : toRouters(one, one.reports?.up(now, address, facts.mtu))),
    ];
  }

  /** The static groups of a downstream as they are now; `before`: those that it had. */
  #setStatic(now: Instant, one: Downstream<A>, before: readonly StaticGroup<A>[]): readonly RouterEffect<A>[] {
    const groups = one.reports === undefined ? [] : groupsOf(before, one.options.staticGroups ?? []);
    return [
      ...this.#demand.setStatic(now, one, before),
      ...groups.flatMap((group) => toRouters(one, one.reports?.wantsAlways(now, group, one.staticFilter(group)))),
    ];
  }

  /** Other options; an interface that is none is passed over. */
  configure(now: Instant, options: DownstreamOptions<A>): readonly RouterEffect<A>[] {
    const one = this.#downstreams.get(options.name);
    if (one === undefined) return [];
    const before = one.options.staticGroups ?? [];
    one.options = options;
    const effects = one.machine.receive(now, { kind: "configure", options: one.igmpOptions });
    // What may be received may have changed too. Who may have more hears the query, and says what it wants.
    const refused = this.#endDenied(now, one);
    const groups = one.machine.groups(now);
    return [
      ...this.#say(now, one, effects),
      ...this.#fromPorts(now, one, one.snooping?.settle(now)),
      ...refused,
      ...this.#setStatic(now, one, before),
      ...groups.flatMap(({ group, filter }) =>
        this.#policy.mayDeliver(one.name, group, undefined)
          ? this.#membership(now, one, { kind: "membership", group, filter })
          : this.#say(now, one, one.machine.receive(now, { kind: "end", group })),
      ),
      ...this.#staticsOn(now, one, one.snooping?.ports ?? [], groupsOf(before, [])),
      ...this.portMemberships(now, one),
    ];
  }

  packet(
    now: Instant,
    one: Downstream<A>,
    { name: _, ...packet }: RouterEvent<A> & { kind: "packet" },
  ): RouterEffect<A>[] {
    return this.#say(now, one, one.machine.receive(now, packet));
  }

  frame(
    now: Instant,
    one: Downstream<A>,
    { name: _, ...frame }: RouterEvent<A> & { kind: "frame" },
  ): RouterEffect<A>[] {
    const said = one.machine.receive(now, frame);
    // Taps hear PIM too, which is no drop: it tells of routers.
    const counted = said.filter((effect) => effect.kind !== "drop" || effect.reason !== "ip.not-igmp");
    return [
      ...this.#say(now, one, counted),
      ...this.#fromPorts(now, one, one.snooping?.frame(now, frame)),
      ...this.#asked(now, one, frame),
    ];
  }

  /** Who asks behind a port is answered where routers are told in place of hosts. */
  #asked(now: Instant, one: Downstream<A>, { bytes, port, vouched, lan }: PortFrame): readonly RouterEffect<A>[] {
    const { reports, machine } = one;
    const frame = reports === undefined ? undefined : machine.ofLan(bytes, lan);
    if (reports === undefined || frame === undefined || typeof frame === "string") return [];
    reports.sawTag(port, frame.vlan);
    const packet = machine.admit(frame.packet, vouched);
    if (typeof packet === "string" || !isQuery(packet)) return [];
    const from = { port, mac: frame.mac, address: machine.wire.senderOf(packet) };
    const heard = heardQuery(machine.wire, from, packet, frame.unicast);
    return toRouters(one, reports.asked(now, heard, packet.bytes, machine.heeds(heard)));
  }

  /** Where routers are told in place of hosts. */
  speakAt(now: Instant, { name, ports }: RouterEvent<A> & { kind: "speak-at" }): readonly RouterEffect<A>[] {
    const one = this.#downstreams.get(name);
    if (one?.reports === undefined) return [];
    const wasApart = one.reports.isSpeaking;
    const told = one.reports.speakAt(now, ports);
    const isApart = one.reports.isSpeaking;
    const asked = isApart === wasApart ? [] : one.machine.receive(now, { kind: "apart", isApart });
    return [...toRouters(one, told), ...this.#say(now, one, asked)];
  }

  bridge(now: Instant, event: RouterEvent<A> & { kind: "bridge" }): readonly RouterEffect<A>[] {
    const { name, ports, topology, tags } = event;
    const one = this.#downstreams.get(name);
    if (one?.snooping === undefined) return [];
    one.reports?.bridge(ports, tags);
    const before = one.snooping.ports;
    const effects = this.#fromPorts(now, one, one.snooping.bridge(now, ports, topology));
    const [come, gone] = [without(ports, before), without(before, ports)];
    return [...effects, ...this.#staticsOn(now, one, [...come, ...gone], groupsOf(one.options.staticGroups ?? [], []))];
  }

  /** What ports get of groups that are static, or were. */
  #staticsOn(
    now: Instant,
    one: Downstream<A>,
    ports: readonly string[],
    groups: readonly A[],
  ): readonly RouterEffect<A>[] {
    return this.#fromPorts(now, one, one.portsWant(now, ports, groups));
  }

  /** Where ports are kept, all hosts are asked at once. */
  askAll(now: Instant, name: string): readonly RouterEffect<A>[] {
    const one = this.#downstreams.get(name);
    if (one?.snooping === undefined) return [];
    return this.#say(now, one, one.machine.receive(now, { kind: "ask-all" }));
  }

  /** What each bridge port gets, as the effects said. */
  portMemberships(now: Instant, one: Downstream<A>): readonly RouterEffect<A>[] {
    return this.#fromPorts(now, one, one.portMemberships(now));
  }

  /** Control has said what cards may receive. */
  permitted(now: Instant, permits: readonly Permit<A>[]): readonly RouterEffect<A>[] {
    const changed = this.#policy.told(now, permits);
    return changed.size === 0 ? [] : this.#reviewAll(now, ({ host }) => changed.has(host.mac));
  }

  /** Takes whoever gets something by the routes of a predecessor for a member, until the startup queries are answered. */
  assume(now: Instant): readonly RouterEffect<A>[] {
    // Every interface before any route: one that is not known to be wanted yet would be taken out of a route for a moment.
    const heard = [...this.#downstreams.values()]
      .filter(({ up }) => up)
      .map((one) => [one, this.#assumed(now, one)] as const);
    return heard.flatMap(([one, effects]) => this.#say(now, one, effects));
  }

  /** Routers behind bridge ports are told no leave: they hear the hosts again. */
  stop(now: Instant): readonly RouterEffect<A>[] {
    return [...this.#downstreams.values()].flatMap((one) => {
      one.reports?.speakAt(now, undefined);
      return this.#say(now, one, one.machine.receive(now, { kind: "stop" }));
    });
  }

  #assumed(now: Instant, { name, machine }: Downstream<A>): readonly RouterInterfaceEffect<A>[] {
    const span = assumedSpan(machine.times);
    return this.#cache.groups().flatMap((group) => {
      const filter = assumedFilter(name, group, this.#cache.of(group), machine.wire.sourceSpecific);
      return wantsNothing(filter) || !this.#policy.mayDeliver(name, group, undefined)
        ? []
        : machine.receive(now, { kind: "assume", group, filter, span });
    });
  }

  #reviewAll(now: Instant, isMeant?: (membership: HostMembership<A>) => boolean): readonly RouterEffect<A>[] {
    return [...this.#downstreams.values()].flatMap((one) => this.#endDenied(now, one, isMeant));
  }

  /** Ends what the policy does not allow any more. */
  #endDenied(
    now: Instant,
    one: Downstream<A>,
    isMeant: (membership: HostMembership<A>) => boolean = () => true,
  ): readonly RouterEffect<A>[] {
    return one.machine.members().flatMap((membership) => {
      if (!isMeant(membership)) return [];
      const verdict = this.#policy.review(now, one.name, membership);
      const { host, group } = membership;
      if (verdict === undefined) return [];
      return this.#restrict(now, one, { host, group, ...verdict.refusal, sources: verdict.sources });
    });
  }

  #restrict(now: Instant, one: Downstream<A>, { sources, ...refused }: Restriction<A>): readonly RouterEffect<A>[] {
    const { host, group } = refused;
    const effects = one.machine.receive(now, { kind: "restrict", host, group, sources });
    const dropped = { kind: "drop", ...refused } as const;
    return [{ ...dropped, name: one.name }, ...refusal(one.name, dropped), ...this.#say(now, one, effects)];
  }

  /** What becomes of what a downstream's machine says. */
  #say(now: Instant, one: Downstream<A>, effects: readonly RouterInterfaceEffect<A>[]): RouterEffect<A>[] {
    return effects.flatMap((effect) => this.#fromMachine(now, one, effect));
  }

  #fromMachine(now: Instant, one: Downstream<A>, effect: RouterInterfaceEffect<A>): readonly RouterEffect<A>[] {
    const { name } = one;
    switch (effect.kind) {
      case "membership":
        return [...this.#membership(now, one, effect), ...this.#endedOnPorts(now, one, effect)];
      case "host-joined":
        this.#policy.joined(now, name, effect.membership);
        return [{ kind: "joined", number: 71, name, membership: effect.membership }];
      case "host-left":
        this.#policy.left(now, name, effect.membership);
        return [{ ...effect, kind: "left", number: effect.cause === "left" ? 81 : undefined, name }];
      case "querier":
        return [{ ...effect, name }, ...this.#cache.review(now)];
      case "send":
        return one.reports === undefined
          ? [{ ...effect, name }]
          : toRouters(one, one.reports.asks(now, effect.packet, one.machine.querier.kind === "querier"));
      case "heard":
      case "older-querier":
      case "query-refused":
        return [{ ...effect, name }];
      case "drop":
        if (effect.group !== undefined && effect.host !== undefined)
          this.#policy.refused(now, name, effect.host, effect.group, effect.reason);
        return [{ ...effect, name }, ...refusal(name, effect), ...this.#refusedOnPort(now, one, effect)];
    }
  }

  /** A tap hears a host before its packet is judged. */
  #refusedOnPort(
    now: Instant,
    one: Downstream<A>,
    { reason, host, group }: RouterInterfaceEffect<A> & { kind: "drop" },
  ): readonly RouterEffect<A>[] {
    if (reason !== "tracking.refused" || host === undefined || group === undefined) return [];
    return this.#fromPorts(now, one, one.snooping?.refused(now, host, group));
  }

  #membership(
    now: Instant,
    one: Downstream<A>,
    { group, filter }: RouterInterfaceEffect<A> & { kind: "membership" },
  ): readonly RouterEffect<A>[] {
    const { name, reports } = one;
    const allowed = this.#policy.mayDeliver(name, group, undefined);
    const wanted = allowed ? filter : NO_SOURCE;
    return [
      allowed ? { kind: "membership", name, group, filter } : drop(name, "router.group-denied"),
      ...this.#demand.set(now, name, group, wanted),
      ...toRouters(one, reports?.wants(now, group, wanted)),
    ];
  }

  #endedOnPorts(
    now: Instant,
    one: Downstream<A>,
    { group, filter }: RouterInterfaceEffect<A> & { kind: "membership" },
  ): readonly RouterEffect<A>[] {
    return wantsNothing(filter) ? this.#fromPorts(now, one, one.snooping?.endGroup(group)) : [];
  }

  /** What becomes of what is kept of a downstream's bridge ports. */
  #fromPorts(now: Instant, one: Downstream<A>, effects: readonly SnoopingEffect<A>[] = []): readonly RouterEffect<A>[] {
    return effects.flatMap((effect) => this.#fromPort(now, one, effect));
  }

  #fromPort(now: Instant, one: Downstream<A>, effect: SnoopingEffect<A>): readonly RouterEffect<A>[] {
    const { name } = one;
    switch (effect.kind) {
      case "ask-all":
        return this.askAll(now, name);
      case "router-port":
        return [{ ...effect, name }];
      case "drop":
        return [{ ...effect, name }, ...refusal(name, effect)];
      case "port-membership": {
        const { port, group } = effect;
        const isAllowed = this.#policy.mayDeliver(name, group, undefined);
        const heard = isAllowed ? effect.filter : NO_SOURCE;
        const fixed = one.staticOn(port, group);
        const filter = wantsNothing(fixed) ? heard : mergeFilters([heard, fixed]);
        const refused = isAllowed ? {} : ({ refused: true } as const);
        return [
          { ...effect, name, filter, ...refused },
          ...toRouters(one, one.reports?.wantsBehind(now, port, group, heard)),
        ];
      }
    }
  }
}

/** What becomes of what routers behind bridge ports are told. */
const toRouters = <A extends Address>(
  { name }: Downstream<A>,
  effects: readonly ProxyEffect[] = [],
): readonly RouterEffect<A>[] => effects.map((effect) => ({ ...effect, name }));

const without = (names: readonly string[], others: readonly string[]): readonly string[] =>
  names.filter((name) => !others.includes(name));
