// What a router has heard, sent, dropped and delivered, by interface and bridge port, from the effects of its machine.
import { IPV4 } from "../../core/base/address.ts";
import { Counters } from "../../core/base/counters.ts";
import { ANY, type Ipv4, isLinkLocalMulticast } from "../../core/base/ipv4.ts";
import type { Instant } from "../../core/base/time.ts";
import { wantsNothing } from "../../core/igmp/filter.ts";
import { checkPacket, headGroup, type MessageKind } from "../../core/igmp/messages/packet.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { EndedMemberships } from "../../core/router/ended-memberships.ts";
import type { RouterDrop, RouterEffect } from "../../core/router/options.ts";
import { Refusals } from "../../core/router/refusals.ts";
import { Zaps } from "../../core/router/zaps.ts";

/** Messages by version, and queries by whether they ask about all groups or about one. */
export const MESSAGE_NAMES = [
  "v1-query",
  "v2-query-general",
  "v2-query-specific",
  "v3-query-general",
  "v3-query-specific",
  "v1-report",
  "v2-report",
  "v3-report",
  "leave",
] as const;
/** One of the nine. */
export type MessageName = (typeof MESSAGE_NAMES)[number];

/** By kind: the name of a message about one group, and of one about all. */
const NAMES: Readonly<Record<MessageKind, readonly [specific: MessageName, general: MessageName]>> = {
  v1Query: ["v1-query", "v1-query"],
  v2Query: ["v2-query-specific", "v2-query-general"],
  v3Query: ["v3-query-specific", "v3-query-general"],
  v1Report: ["v1-report", "v1-report"],
  v2Report: ["v2-report", "v2-report"],
  v3Report: ["v3-report", "v3-report"],
  leave: ["leave", "leave"],
};

const nameOf = (kind: MessageKind, group: Ipv4): MessageName => NAMES[kind][group === ANY ? 1 : 0];

/** What hosts did: joined a group, left it, were not heard of it any more, may no longer be members. */
export type HostCount = "joins" | "leaves" | "timeouts" | "revocations";

/** What was heard on a bridge port by its tap, and what we sent by it alone (RFC 9166). */
export class PortStatistics {
  readonly received = new Counters<MessageName>();
  readonly sent = new Counters<MessageName>();
  readonly drops = new Counters<RouterDrop>();
}

/** A bridge has at most so many (BR_MAX_PORTS); machines that come and go give theirs ever new names. */
const MOST_PORTS = 1024;

/** One interface; the counters run from `since`. */
export class InterfaceStatistics {
  readonly since: Instant;
  readonly received = new Counters<MessageName>();
  readonly sent = new Counters<MessageName>();
  readonly drops = new Counters<RouterDrop>();
  readonly hosts = new Counters<HostCount>();
  readonly zaps = new Zaps(IPV4);
  readonly ended = new EndedMemberships();
  /** By bridge port. */
  readonly ports = new Map<string, PortStatistics>();
  /** The groups that the link wants. */
  readonly groups = new Set<Ipv4>();
  /** How often a group was added to them (RFC 5519, mgmdRouterInterfaceJoins). */
  groupJoins = 0;
  lastQuery: Instant | undefined;

  constructor(since: Instant) {
    this.since = since;
  }

  port(name: string): PortStatistics {
    const known = this.ports.get(name);
    if (known !== undefined) return known;
    const made = new PortStatistics();
    this.ports.set(name, made);
    const [oldest] = this.ports.keys();
    if (this.ports.size > MOST_PORTS && oldest !== undefined) this.ports.delete(oldest);
    return made;
  }

  wants(group: Ipv4, wanted: boolean): void {
    if (!wanted) this.groups.delete(group);
    else if (!this.groups.has(group)) {
      this.groups.add(group);
      this.groupJoins++;
    }
  }
}

/** Every interface of a router. What each effect costs does not depend on how much has been counted. */
export class Statistics {
  readonly #clock: Clock;
  readonly #interfaces: ReadonlyMap<string, InterfaceStatistics>;
  readonly drops = new Counters<string>();
  readonly heard = new Counters<string>();
  /** 71, 72, 81 and 82, as the patent numbers them. */
  readonly messages = new Counters<string>();
  readonly refusals = new Refusals();

  constructor(names: readonly string[], clock: Clock) {
    this.#clock = clock;
    const now = clock.now();
    this.#interfaces = new Map(names.map((name) => [name, new InterfaceStatistics(now)]));
  }

  /** Throws RangeError for an interface that is not configured. */
  of(name: string): InterfaceStatistics {
    const statistics = this.#interfaces.get(name);
    if (statistics === undefined) throw new RangeError(`no interface ${name}`);
    return statistics;
  }

  all(): Iterable<readonly [name: string, statistics: InterfaceStatistics]> {
    return this.#interfaces;
  }

  /** Counts an effect of the machine; most of them count for nothing. */
  take(effect: RouterEffect): void {
    switch (effect.kind) {
      case "heard":
        this.#heardOn(effect);
        break;
      case "send":
        this.#sentOn(effect.name, effect.packet);
        break;
      case "drop":
        this.#dropped(effect);
        break;
      case "joined":
      case "left":
        this.#hostChanged(effect);
        break;
      case "membership":
        if (!isLinkLocalMulticast(effect.group))
          this.#interfaces.get(effect.name)?.wants(effect.group, !wantsNothing(effect.filter));
        break;
      case "delivery":
        this.messages.count(String(effect.number));
        break;
      case "send-port":
        this.#sentOn(effect.name, effect.packet, effect.port);
        break;
      case "route":
      case "ready":
      case "unroute":
      case "count-routes":
      case "refused":
      case "querier":
      case "query-refused":
      case "older-querier":
      case "upstream-mode":
      case "intruder":
      case "more-intruders":
      case "inquire":
      case "passes":
      case "stand":
      case "keep":
      case "port-membership":
      case "router-port":
        break;
      default:
        effect satisfies never;
    }
  }

  #heardOn({ name, message, group, port, unfilled }: RouterEffect & { kind: "heard" }): void {
    const statistics = this.#interfaces.get(name);
    if (port !== undefined) {
      statistics?.port(port).received.count(nameOf(message, group));
      return;
    }
    this.heard.count(message);
    if (unfilled) this.heard.count("igmp.checksum-unfilled");
    statistics?.received.count(nameOf(message, group));
    if (statistics !== undefined && isQuery(message)) statistics.lastQuery = this.#clock.now();
  }

  #sentOn(name: string, bytes: Uint8Array, port?: string): void {
    const statistics = this.#interfaces.get(name);
    const packet = checkPacket(bytes);
    if (statistics === undefined || typeof packet === "string") return;
    const message = nameOf(packet.kind, headGroup(packet));
    statistics.sent.count(message);
    if (port !== undefined) statistics.port(port).sent.count(message);
    if (isQuery(packet.kind)) statistics.lastQuery = this.#clock.now();
  }

  #dropped({ name, reason, host, group, rule, port }: RouterEffect & { kind: "drop" }): void {
    this.drops.count(reason);
    const statistics = this.#interfaces.get(name);
    if (port === undefined) statistics?.drops.count(reason);
    else statistics?.port(port).drops.count(reason);
    if (host !== undefined) this.refusals.note(this.#clock.now(), { name, reason, host, group, rule });
  }

  #hostChanged(effect: RouterEffect & { kind: "joined" | "left" }): void {
    const { name, membership, number } = effect;
    const statistics = this.#interfaces.get(name);
    // Every machine joins some of 224.0.0.0/24, which no router delivers.
    if (statistics === undefined || isLinkLocalMulticast(membership.group)) return;
    const now = this.#clock.now();
    if (number !== undefined) this.messages.count(String(number));
    if (effect.kind === "left") statistics.ended.note(now, membership, effect.cause);
    const change = changeOf(effect);
    if (change === undefined) return;
    statistics.hosts.count(change);
    if (change === "joins" || change === "leaves")
      statistics.zaps.note(now, change === "joins" ? "joined" : "left", membership);
  }
}

/** undefined: the host is where it was, at another port; or its interface went. */
function changeOf(effect: RouterEffect & { kind: "joined" | "left" }): HostCount | undefined {
  if (effect.kind === "joined") return "joins";
  switch (effect.cause) {
    case "left":
      return "leaves";
    case "expired":
      return "timeouts";
    case "revoked":
      return "revocations";
    case "moved":
    case "down":
      return undefined;
  }
}

const isQuery = (kind: MessageKind): boolean => kind.endsWith("Query");
