// The multicast routes that are installed: what leaves where, and when a route was last of use.
import { DeadlineHeap, type Scheduled } from "../base/deadline-heap.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, type Instant, seconds } from "../base/time.ts";
import type { MulticastRoute, RouteUse } from "../ports/forwarding.ts";
import type { Delivery } from "./options.ts";

interface Installed extends Scheduled {
  route: MulticastRoute;
  /** Whether somebody here receives by it. */
  wanted: boolean;
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

/** Bounded; what is idle goes first. No change of one group's routes looks at those of another. */
export class MulticastRoutes {
  readonly #idle: Duration;
  readonly #limit: number;
  readonly #groups = new Map<Ipv4, Map<Ipv4, Installed>>();
  /** By inbound interface and source, how many there are. */
  readonly #senders = new Map<string, number>();
  /** Those that nobody here receives by, by the time of their last use. */
  readonly #unwanted = new DeadlineHeap<Installed>();
  #size = 0;

  constructor(idle: Duration, limit: number) {
    this.#idle = idle;
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#size >= this.#limit;
  }

  get size(): number {
    return this.#size;
  }

  groups(): readonly Ipv4[] {
    return [...this.#groups.keys()];
  }

  all(): readonly MulticastRoute[] {
    return [...this.#groups.values()].flatMap((sources) => Array.from(sources.values(), ({ route }) => route));
  }

  of(group: Ipv4): readonly MulticastRoute[] {
    return Array.from(this.#groups.get(group)?.values() ?? [], ({ route }) => route);
  }

  get(source: Ipv4, group: Ipv4): MulticastRoute | undefined {
    return this.#groups.get(group)?.get(source)?.route;
  }

  /** How many routes there are for what a source sends on an interface. */
  countOf(source: Ipv4, inbound: string): number {
    return this.#senders.get(senderOf({ source, inbound })) ?? 0;
  }

  /** Installs or replaces; what it switches on and off is told with the patent's numbers. `wanted`: somebody here receives by it. */
  set(now: Instant, route: MulticastRoute, wanted: boolean): readonly RouteEffect[] {
    const known = this.#groups.get(route.group)?.get(route.source);
    if (known !== undefined && sameRoute(known.route, route)) return [];
    const before = known?.route.outbound ?? [];
    if (known !== undefined) this.#discount(known.route);
    const one = known ?? { packets: 0, wrong: 0, lastUsed: now, route, wanted, due: undefined, place: -1 };
    one.route = route;
    one.wanted = wanted;
    this.#keep(one);
    return [
      { kind: "route", route },
      ...deliveries(route, without(route.outbound, before), 72),
      ...deliveries(route, without(before, route.outbound), 82),
    ];
  }

  /** Keeps one that is in the kernel already, so that there is nothing to tell. */
  adopt(now: Instant, route: MulticastRoute, wanted: boolean): void {
    this.#keep({ packets: 0, wrong: 0, lastUsed: now, route, wanted, due: undefined, place: -1 });
  }

  remove(source: Ipv4, group: Ipv4): readonly RouteEffect[] {
    const sources = this.#groups.get(group);
    const known = sources?.get(source);
    if (sources === undefined || known === undefined) return [];
    sources.delete(source);
    if (sources.size === 0) this.#groups.delete(group);
    this.#unwanted.schedule(known, undefined);
    this.#discount(known.route);
    return [{ kind: "unroute", source, group }, ...deliveries(known.route, known.route.outbound, 82)];
  }

  /** Takes out the longest idle of the routes by which nobody here receives; nothing when there is none. */
  removeIdlest(): readonly RouteEffect[] {
    const idlest = this.#unwanted.takeDue(Number.POSITIVE_INFINITY as Instant);
    return idlest === undefined ? [] : this.remove(idlest.route.source, idlest.route.group);
  }

  /** Takes the counters of the forwarding table; takes out what has been idle too long, and what comes from elsewhere now. */
  use(now: Instant, uses: readonly RouteUse[]): readonly RouteEffect[] {
    const gone = uses.filter((use) => this.#hasMoved(now, use));
    const idle = [...this.#groups.values()].flatMap((sources) =>
      [...sources.values()].filter(({ lastUsed }) => after(lastUsed, this.#idle) <= now),
    );
    return [...gone, ...idle.map(({ route }) => route)].flatMap(({ source, group }) => this.remove(source, group));
  }

  #keep(one: Installed): void {
    const { route } = one;
    const sources = this.#groups.get(route.group) ?? new Map<Ipv4, Installed>();
    this.#groups.set(route.group, sources);
    sources.set(route.source, one);
    const sender = senderOf(route);
    this.#senders.set(sender, (this.#senders.get(sender) ?? 0) + 1);
    this.#size++;
    this.#rank(one);
  }

  #discount(route: MulticastRoute): void {
    const sender = senderOf(route);
    const left = (this.#senders.get(sender) ?? 0) - 1;
    if (left > 0) this.#senders.set(sender, left);
    else this.#senders.delete(sender);
    this.#size--;
  }

  #rank(one: Installed): void {
    this.#unwanted.schedule(one, one.wanted ? undefined : one.lastUsed);
  }

  /** Notes the counters of one route. The kernel does not ask about a source that moved: it drops what comes in elsewhere. */
  #hasMoved(now: Instant, { source, group, packets, wrong }: RouteUse): boolean {
    const known = this.#groups.get(group)?.get(source);
    if (known === undefined) return false;
    const [isSilent, strays] = [known.packets === packets, wrong > known.wrong];
    known.packets = packets;
    known.wrong = wrong;
    if (!isSilent) {
      known.lastUsed = now;
      this.#rank(known);
    }
    return isSilent && strays && after(known.lastUsed, PAUSE) <= now;
  }
}

const senderOf = ({ source, inbound }: Pick<MulticastRoute, "source" | "inbound">): string => `${source},${inbound}`;

const without = (names: readonly string[], others: readonly string[]): readonly string[] =>
  names.filter((name) => !others.includes(name));

const sameRoute = (a: MulticastRoute, b: MulticastRoute): boolean =>
  a.inbound === b.inbound && without(a.outbound, b.outbound).length + without(b.outbound, a.outbound).length === 0;

const deliveries = ({ source, group }: MulticastRoute, names: readonly string[], number: 72 | 82): Delivery[] =>
  names.map((name) => ({ kind: "delivery", number, name, source, group }));
