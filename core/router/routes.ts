// The multicast routes that are installed: what leaves where, and when a route was last of use.
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, type Instant, seconds } from "../base/time.ts";
import type { MulticastRoute, RouteUse } from "../ports/forwarding.ts";
import type { Delivery } from "./options.ts";

interface Installed {
  route: MulticastRoute;
  packets: number;
  wrong: number;
  lastUsed: Instant;
}

/** A stream that pauses for less has not moved to the interface where stray packets of it arrive. */
const PAUSE: Duration = seconds(3);

/** A change of the kernel's forwarding cache, and the deliveries (72, 82) it begins and ends. */
export type RouteEffect =
  | { readonly kind: "route"; readonly route: MulticastRoute }
  | { readonly kind: "unroute"; readonly source: Ipv4; readonly group: Ipv4 }
  | Delivery;

/** Bounded; what is idle goes first. */
export class MulticastRoutes {
  readonly #idle: Duration;
  readonly #limit: number;
  readonly #routes = new Map<string, Installed>();

  constructor(idle: Duration, limit: number) {
    this.#idle = idle;
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#routes.size >= this.#limit;
  }

  get size(): number {
    return this.#routes.size;
  }

  all(): readonly MulticastRoute[] {
    return [...this.#routes.values()].map(({ route }) => route);
  }

  /** Installs or replaces; what it switches on and off is told with the patent's numbers. */
  set(now: Instant, route: MulticastRoute): readonly RouteEffect[] {
    const key = keyOf(route.source, route.group);
    const known = this.#routes.get(key);
    if (known !== undefined && sameRoute(known.route, route)) return [];
    const before = known?.route.outbound ?? [];
    this.#routes.set(key, { packets: 0, wrong: 0, lastUsed: now, ...known, route });
    return [
      { kind: "route", route },
      ...deliveries(route, without(route.outbound, before), 72),
      ...deliveries(route, without(before, route.outbound), 82),
    ];
  }

  remove(source: Ipv4, group: Ipv4): readonly RouteEffect[] {
    const key = keyOf(source, group);
    const known = this.#routes.get(key);
    if (known === undefined) return [];
    this.#routes.delete(key);
    return [{ kind: "unroute", source, group }, ...deliveries(known.route, known.route.outbound, 82)];
  }

  /** Takes out the longest idle of the routes that `mayGo`; nothing when there is none. */
  removeIdlest(mayGo: (route: MulticastRoute) => boolean): readonly RouteEffect[] {
    let idlest: Installed | undefined;
    for (const one of this.#routes.values())
      if (mayGo(one.route) && (idlest === undefined || one.lastUsed < idlest.lastUsed)) idlest = one;
    return idlest === undefined ? [] : this.remove(idlest.route.source, idlest.route.group);
  }

  /** Takes the counters of the forwarding table; takes out what has been idle too long, and what comes from elsewhere now. */
  use(now: Instant, uses: readonly RouteUse[]): readonly RouteEffect[] {
    const gone = uses.filter((use) => this.#hasMoved(now, use));
    const idle = [...this.#routes.values()].filter(({ lastUsed }) => after(lastUsed, this.#idle) <= now);
    return [...gone, ...idle.map(({ route }) => route)].flatMap(({ source, group }) => this.remove(source, group));
  }

  /** Notes the counters of one route. The kernel does not ask about a source that moved: it drops what comes in elsewhere. */
  #hasMoved(now: Instant, { source, group, packets, wrong }: RouteUse): boolean {
    const known = this.#routes.get(keyOf(source, group));
    if (known === undefined) return false;
    const [isSilent, strays] = [known.packets === packets, wrong > known.wrong];
    known.packets = packets;
    known.wrong = wrong;
    if (!isSilent) known.lastUsed = now;
    return isSilent && strays && after(known.lastUsed, PAUSE) <= now;
  }
}

const keyOf = (source: Ipv4, group: Ipv4): string => `${source},${group}`;

const without = (names: readonly string[], others: readonly string[]): readonly string[] =>
  names.filter((name) => !others.includes(name));

const sameRoute = (a: MulticastRoute, b: MulticastRoute): boolean =>
  a.inbound === b.inbound && without(a.outbound, b.outbound).length + without(b.outbound, a.outbound).length === 0;

const deliveries = ({ source, group }: MulticastRoute, names: readonly string[], number: 72 | 82): Delivery[] =>
  names.map((name) => ({ kind: "delivery", number, name, source, group }));
