// What control permits each card, for how long that holds, and by which bridge ports a group may leave because of it.
import type { Address } from "../../base/address.ts";
import type { Ipv4 } from "../../base/ipv4.ts";
import { after, type Duration, earliest, type Instant, seconds } from "../../base/time.ts";
import type { TrackedHost } from "../../igmp/host-shares.ts";
import type { Pass } from "../../ports/enforcement.ts";
import { covers, type GroupPrefix } from "./group-access.ts";

/** How it is enforced what control says. */
export interface EnforceOptions<A extends Address = Ipv4> {
  /** Groups that only a permitted card may receive. */
  readonly groups: readonly GroupPrefix<A>[];
  /** What control said last holds for so long. */
  readonly stands: Duration;
  /** Then, and before the first word, everybody may receive, or nobody. */
  readonly afterwards: "open" | "closed";
  /** Every card is asked about again after so long: a right that ends is noticed then. Shorter than `stands`. */
  readonly refresh: Duration;
}

/** What a card may receive, as control says. */
export interface Permit<A extends Address = Ipv4> {
  /** "02:00:00:00:00:01" */
  readonly mac: string;
  readonly groups: readonly A[];
}

/** What is to be asked of control, and said to the guard of the ports. */
export type PermitEffect<A extends Address = Ipv4> =
  | { readonly kind: "inquire"; readonly macs: readonly string[] }
  | { readonly kind: "passes"; readonly added: readonly Pass<A>[]; readonly removed: readonly Pass<A>[] }
  /** Control has spoken: what the guard was told holds for so long, then `afterwards`, whether or not we still run. */
  | { readonly kind: "stand"; readonly span: Duration };

interface Card<A extends Address = Ipv4> {
  readonly mac: string;
  /** undefined: control has not said anything of it. */
  groups: ReadonlySet<A> | undefined;
  port: string | undefined;
  heardAt: Instant;
}

/** Anybody may invent cards; beyond, the one not heard for longest is forgotten, one of which control permits nothing first. */
const MOST_CARDS = 8192;
/** A card not heard for so long is asked about no more. */
const FORGOTTEN_AFTER: Duration = seconds(3600);
/** Passes that a process before this one left in the guard stay so long, until their viewers have been heard and asked about. */
const ADOPTED_FOR: Duration = seconds(60);

/** The permits of one router. */
export class Permits<A extends Address = Ipv4> {
  #options: EnforceOptions<A>;
  /** The one heard last is last. */
  readonly #cards = new Map<string, Card<A>>();
  readonly #passes: PassCounts<A> = new PassCounts<A>();
  #toAsk = new Set<string>();
  #standsUntil: Instant | undefined;
  #refreshAt: Instant | undefined;
  #adoptedUntil: Instant | undefined;
  #hasSpoken = false;

  constructor(options: EnforceOptions<A>) {
    this.#options = options;
  }

  /** Other options, from now on. */
  configure(options: EnforceOptions<A>): void {
    this.#options = options;
  }

  /** Why the host may not have the group; undefined when it may. */
  refuse(now: Instant, { mac }: TrackedHost<A>, group: A): "policy.unpermitted" | "policy.no-word" | undefined {
    if (!this.#options.groups.some((prefix) => covers(prefix, group))) return undefined;
    if (!this.#stands(now)) return this.#options.afterwards === "open" ? undefined : "policy.no-word";
    const card = this.#cards.get(mac);
    if (card?.groups === undefined) return mac === "" ? "policy.unpermitted" : "policy.no-word";
    return card.groups.has(group) ? undefined : "policy.unpermitted";
  }

  /** A host was heard: it is asked about if it is new, and what it may have may leave by its port. */
  heard(now: Instant, { mac, port }: TrackedHost<A>): void {
    if (mac === "") return;
    const known = this.#cards.get(mac);
    const card = known ?? { mac, groups: undefined, port: undefined, heardAt: now };
    this.#cards.delete(mac);
    this.#cards.set(mac, card);
    card.heardAt = now;
    if (known === undefined) this.#add(now, card);
    if (port !== "" && card.port !== port) this.#move(card, port);
  }

  /** Control has spoken; the cards of which it said something else than before. */
  told(now: Instant, permits: readonly Permit<A>[]): ReadonlySet<string> {
    this.#standsUntil = after(now, this.#options.stands);
    this.#hasSpoken = true;
    const changed = new Set<string>();
    for (const { mac, groups } of permits) {
      const card = this.#cards.get(mac);
      if (card === undefined) continue;
      const before = card.groups;
      if (before?.size === new Set(groups).size && groups.every((group) => before.has(group))) continue;
      this.#permit(card, new Set(groups));
      changed.add(mac);
    }
    return changed;
  }

  /** Passes that are in the guard of the ports since a process before this one. */
  adopt(now: Instant, passes: readonly Pass<A>[]): void {
    this.#passes.adopt(passes);
    this.#adoptedUntil = after(now, ADOPTED_FOR);
  }

  /** Whether what control said last has become too old to hold just now: then everybody's rights may be others. */
  poll(now: Instant): boolean {
    if (this.#adoptedUntil !== undefined && this.#adoptedUntil <= now) {
      this.#adoptedUntil = undefined;
      this.#passes.endAdoption();
    }
    if (this.#refreshAt !== undefined && this.#refreshAt <= now) this.#refresh(now);
    if (this.#standsUntil === undefined || now < this.#standsUntil) return false;
    this.#standsUntil = undefined;
    return true;
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#adoptedUntil, this.#refreshAt, this.#standsUntil]);
  }

  /** What there is to do since the last call. */
  effects(): readonly PermitEffect<A>[] {
    const effects: PermitEffect<A>[] = [];
    const { added, removed } = this.#passes.take();
    if (added.length + removed.length > 0) effects.push({ kind: "passes", added, removed });
    // After the passes that came with the word.
    if (this.#hasSpoken) effects.push({ kind: "stand", span: this.#options.stands });
    if (this.#toAsk.size > 0) effects.push({ kind: "inquire", macs: [...this.#toAsk] });
    this.#hasSpoken = false;
    this.#toAsk = new Set();
    return effects;
  }

  /** For status: whether what control said last still holds, and how many cards it is about. */
  summary(now: Instant): { readonly stands: boolean; readonly cards: number; readonly permitted: number } {
    const permitted = [...this.#cards.values()].filter(({ groups }) => groups !== undefined && groups.size > 0);
    return { stands: this.#stands(now), cards: this.#cards.size, permitted: permitted.length };
  }

  #stands(now: Instant): boolean {
    return this.#standsUntil !== undefined && now < this.#standsUntil;
  }

  #add(now: Instant, { mac }: Card<A>): void {
    this.#toAsk.add(mac);
    this.#refreshAt ??= after(now, this.#options.refresh);
    if (this.#cards.size <= MOST_CARDS) return;
    const least = [...this.#cards.values()].find(({ groups }) => groups === undefined || groups.size === 0);
    const gone = least ?? this.#cards.values().next().value;
    if (gone !== undefined) this.#forget(gone);
  }

  #refresh(now: Instant): void {
    for (const card of this.#cards.values()) {
      if (after(card.heardAt, FORGOTTEN_AFTER) > now) this.#toAsk.add(card.mac);
      else this.#forget(card);
    }
    this.#refreshAt = this.#cards.size > 0 ? after(now, this.#options.refresh) : undefined;
  }

  #forget(card: Card<A>): void {
    this.#permit(card, new Set());
    this.#cards.delete(card.mac);
    this.#toAsk.delete(card.mac);
  }

  #permit(card: Card<A>, groups: ReadonlySet<A>): void {
    const before = card.groups ?? new Set<A>();
    card.groups = groups;
    if (card.port === undefined) return;
    for (const group of groups) if (!before.has(group)) this.#passes.add({ port: card.port, group });
    for (const group of before) if (!groups.has(group)) this.#passes.remove({ port: card.port, group });
  }

  #move(card: Card<A>, port: string): void {
    for (const group of card.groups ?? []) {
      this.#passes.add({ port, group });
      if (card.port !== undefined) this.#passes.remove({ port: card.port, group });
    }
    card.port = port;
  }
}

/** Each pass with how many cards it is for, and the changes that were not taken yet. */
class PassCounts<A extends Address = Ipv4> {
  readonly #counts = new Map<string, { readonly pass: Pass<A>; times: number }>();
  readonly #adopted = new Map<string, Pass<A>>();
  readonly #added = new Map<string, Pass<A>>();
  readonly #removed = new Map<string, Pass<A>>();

  add(pass: Pass<A>): void {
    const key = keyOf(pass);
    const known = this.#counts.get(key);
    if (known !== undefined) {
      known.times++;
      return;
    }
    this.#counts.set(key, { pass, times: 1 });
    if (!this.#adopted.delete(key) && !this.#removed.delete(key)) this.#added.set(key, pass);
  }

  remove(pass: Pass<A>): void {
    const key = keyOf(pass);
    const known = this.#counts.get(key);
    if (known === undefined) return;
    known.times--;
    if (known.times > 0) return;
    this.#counts.delete(key);
    if (!this.#added.delete(key)) this.#removed.set(key, pass);
  }

  adopt(passes: readonly Pass<A>[]): void {
    for (const pass of passes) if (!this.#counts.has(keyOf(pass))) this.#adopted.set(keyOf(pass), pass);
  }

  endAdoption(): void {
    for (const [key, pass] of this.#adopted) this.#removed.set(key, pass);
    this.#adopted.clear();
  }

  take(): { readonly added: readonly Pass<A>[]; readonly removed: readonly Pass<A>[] } {
    const changes = { added: [...this.#added.values()], removed: [...this.#removed.values()] };
    this.#added.clear();
    this.#removed.clear();
    return changes;
  }
}

const keyOf = <A extends Address>({ port, group }: Pass<A>): string => `${port} ${group}`;
