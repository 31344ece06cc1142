// What control permits each card, for how long that holds, and by which bridge ports a group may leave because of it.
import type { Address, AddressFamily } from "../../base/address.ts";
import type { Ipv4 } from "../../base/ipv4.ts";
import {
  after,
  type Duration,
  earliest,
  type Instant,
  isPast,
  milliseconds,
  remaining,
  seconds,
} from "../../base/time.ts";
import type { TrackedHost } from "../../igmp/host-shares.ts";
import type { Pass } from "../../ports/enforcement.ts";
import { CardQuestions } from "./card-questions.ts";
import { covers, type GroupPrefix } from "./group-access.ts";

/** How it is enforced what control says. */
export interface EnforceOptions<A extends Address = Ipv4> {
  /** Groups that only a permitted card may receive. */
  readonly groups: readonly GroupPrefix<A>[];
  /** What control said last holds for so long. */
  readonly stands: Duration;
  /** Then, before the first word, and while control is silent about a card that is new, everybody may receive, or nobody. */
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
  /** What the guard was told holds for so long from now, then `afterwards`, whether or not we still run. */
  | { readonly kind: "stand"; readonly span: Duration }
  /** What the next process is to be left is something else than before. */
  | { readonly kind: "keep" };

/** What control permits, as one process leaves it to the next. */
export interface KeptPermits<A extends Address = Ipv4> {
  /** So long what control said holds yet. */
  readonly standsFor: Duration;
  /** The cards that may receive something, and the port where they were heard. */
  readonly cards: readonly (Permit<A> & { readonly port?: string })[];
}

interface Card<A extends Address = Ipv4> {
  readonly mac: string;
  /** What control permits; until it has said anything of the card, what is received because control is silent. */
  groups: ReadonlySet<A>;
  isAnswered: boolean;
  /** Control was silent when it was to be asked about the card, and has said nothing of it since. */
  isUnanswered: boolean;
  port: string | undefined;
  heardAt: Instant;
}

/** Anybody may invent cards; beyond, the one not heard for longest is forgotten, one of which control permits nothing first. */
const MOST_CARDS = 8192;
/** A card not heard for so long is asked about no more. */
const FORGOTTEN_AFTER: Duration = seconds(3600);
/** Passes that a process before this one left in the guard stay so long, until their viewers have been heard and asked about. */
const ADOPTED_FOR: Duration = seconds(60);
/** Control has been asked and has said nothing of any card for so long: it is away. */
const SILENT_AFTER: Duration = seconds(5);
/** What came within one report, or by two ways, is not heard again. */
const AGAIN_AFTER: Duration = milliseconds(100);
/** What is kept stands no shorter than this part of what it might. */
const KEPT_SHARE = 7 / 8;

const NOTHING: ReadonlySet<never> = new Set();

/** The permits of one router. */
export class Permits<A extends Address = Ipv4> {
  readonly #family: AddressFamily<A>;
  #options: EnforceOptions<A>;
  /** The one heard last is last. */
  readonly #cards = new Map<string, Card<A>>();
  /** Those of them that may receive nothing. */
  readonly #idle = new Map<string, Card<A>>();
  readonly #passes: PassCounts<A> = new PassCounts<A>();
  readonly #questions = new CardQuestions();
  #standsUntil: Instant | undefined;
  /** As it was when something was to be kept. */
  #keptUntil: Instant | undefined;
  #refreshAt: Instant | undefined;
  #adoptedUntil: Instant | undefined;
  /** When control is taken for away unless it speaks. */
  #silentAt: Instant | undefined;
  /** Until then who has not been answered is let in: it began while hosts watched. */
  #beginsUntil: Instant | undefined;
  #isSilent = false;
  #toSay: { stand: boolean; keep: boolean } = { stand: false, keep: false };

  constructor(family: AddressFamily<A>, options: EnforceOptions<A>) {
    this.#family = family;
    this.#options = options;
  }

  /** It begins while hosts watch: nobody is to miss a packet because control has not had the time to speak. */
  begin(now: Instant): void {
    this.#beginsUntil = after(now, SILENT_AFTER);
    this.#stand(now, SILENT_AFTER);
  }

  /** Other options, from now on. */
  configure(options: EnforceOptions<A>): void {
    this.#options = options;
  }

  /** Why the host may not have the group; undefined when it may. */
  refuse(now: Instant, { mac }: TrackedHost<A>, group: A): "policy.unpermitted" | "policy.no-word" | undefined {
    if (!this.#isEnforced(group)) return undefined;
    if (!this.#stands(now)) return this.#options.afterwards === "open" ? undefined : "policy.no-word";
    const card = this.#cards.get(mac);
    if (card?.isAnswered === true) return card.groups.has(group) ? undefined : "policy.unpermitted";
    if (mac === "") return "policy.unpermitted";
    if (this.#beginsUntil !== undefined && now < this.#beginsUntil) return undefined;
    const isUnanswered = card?.isUnanswered ?? this.#isSilent;
    return isUnanswered && this.#options.afterwards === "open" ? undefined : "policy.no-word";
  }

  /** A host was heard: it is asked about if it is new, and what it may have may leave by its port. */
  heard(now: Instant, { mac, port }: TrackedHost<A>): void {
    if (mac === "") return;
    const known = this.#cards.get(mac);
    const card = known ?? this.#cardOf(now, mac);
    this.#enter(card);
    if (known === undefined) this.#add(now, card, port);
    else if (this.#questions.waits(mac) && !card.isAnswered && after(card.heardAt, AGAIN_AFTER) <= now)
      this.#questions.add(mac, port, "heard again");
    card.heardAt = now;
    if (port !== "" && card.port !== port) this.#move(card, port);
  }

  /** A host was let have the group, and has it from now on. */
  joined({ mac }: TrackedHost<A>, group: A): void {
    const card = this.#unanswered(mac, group);
    if (card !== undefined) this.#permit(card, new Set([...card.groups, group]));
  }

  /** It has it no more. */
  left({ mac }: TrackedHost<A>, group: A): void {
    const card = this.#unanswered(mac, group);
    if (card !== undefined) this.#permit(card, new Set([...card.groups].filter((one) => one !== group)));
  }

  /** Control has spoken; the cards of which it said something else than before. */
  told(now: Instant, permits: readonly Permit<A>[]): ReadonlySet<string> {
    this.#stand(now, this.#options.stands);
    this.#questions.answered(permits.map(({ mac }) => mac));
    this.#isSilent = false;
    this.#silentAt = undefined;
    this.#expectWord(now);
    const changed = new Set<string>();
    for (const { mac, groups } of permits) {
      const card = this.#cards.get(mac);
      if (card === undefined || (card.isAnswered && isSame(card.groups, groups))) continue;
      card.isAnswered = true;
      card.isUnanswered = false;
      this.#permit(card, new Set(groups));
      changed.add(mac);
    }
    const isKeptLong = remaining(now, this.#keptUntil ?? now) > this.#options.stands * KEPT_SHARE;
    if (changed.size > 0 || !isKeptLong) this.#keep();
    return changed;
  }

  /** What the process before has kept: it holds until it would have ended there. */
  restore(now: Instant, { standsFor, cards }: KeptPermits<A>): void {
    if (standsFor <= 0) return;
    this.#stand(now, milliseconds(Math.min(standsFor, this.#options.stands)));
    this.#keptUntil = this.#standsUntil;
    for (const { mac, port = "", groups } of cards.slice(0, MOST_CARDS)) {
      this.heard(now, { mac, port, address: this.#family.unspecified });
      const card = this.#cards.get(mac);
      if (card === undefined) continue;
      card.isAnswered = true;
      this.#questions.add(mac, port, "answered");
      this.#permit(card, new Set(groups));
    }
  }

  /** The guard of the ports is new, with these passes since a process before this one: it is told all. */
  adopt(now: Instant, passes: readonly Pass<A>[]): void {
    this.#passes.adopt(passes);
    this.#adoptedUntil = after(now, ADOPTED_FOR);
    this.#toSay.stand = true;
  }

  /**
   * "ended": what control said last has become too old to hold just now, or who was not answered when it began is let in no more, and
   * everybody's rights may be others. "silent": control is away, and who was
   * refused without a word of it may be let in now.
   */
  poll(now: Instant): "ended" | "silent" | undefined {
    if (isPast(now, this.#adoptedUntil)) {
      this.#adoptedUntil = undefined;
      this.#passes.endAdoption();
    }
    if (isPast(now, this.#refreshAt)) this.#refresh(now);
    const isSilent = isPast(now, this.#silentAt);
    if (isSilent) this.#fallSilent();
    const hasBegun = isPast(now, this.#beginsUntil);
    if (hasBegun) this.#beginsUntil = undefined;
    const hasEnded = isPast(now, this.#standsUntil);
    if (hasEnded) this.#standsUntil = undefined;
    if (hasBegun || hasEnded) return "ended";
    return isSilent && this.#options.afterwards === "open" ? "silent" : undefined;
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#adoptedUntil, this.#refreshAt, this.#silentAt, this.#beginsUntil, this.#standsUntil]);
  }

  /** What there is to do since the last call. */
  effects(now: Instant): readonly PermitEffect<A>[] {
    const effects: PermitEffect<A>[] = [];
    const { added, removed } = this.#passes.take();
    if (added.length + removed.length > 0) effects.push({ kind: "passes", added, removed });
    // After the passes that came with the word.
    const standsFor = remaining(now, this.#standsUntil ?? now);
    if (this.#toSay.stand && standsFor > 0) effects.push({ kind: "stand", span: standsFor });
    if (this.#toSay.keep) effects.push({ kind: "keep" });
    this.#toSay = { stand: false, keep: false };
    const macs = this.#questions.next();
    if (macs.length > 0) effects.push({ kind: "inquire", macs });
    return effects;
  }

  /** For status: whether what control said last still holds, and how many cards it is about. */
  summary(now: Instant): { readonly stands: boolean; readonly cards: number; readonly permitted: number } {
    const permitted = [...this.#cards.values()].filter(isEntitled);
    return { stands: this.#stands(now), cards: this.#cards.size, permitted: permitted.length };
  }

  /** What the next process is to be left. */
  kept(now: Instant): KeptPermits<A> {
    const cards = [...this.#cards.values()].filter(isEntitled);
    return {
      standsFor: remaining(now, this.#standsUntil ?? now),
      cards: cards.map(({ mac, port, groups }) => ({
        mac,
        ...(port === undefined ? {} : { port }),
        groups: [...groups],
      })),
    };
  }

  #stands(now: Instant): boolean {
    return this.#standsUntil !== undefined && now < this.#standsUntil;
  }

  #stand(now: Instant, span: Duration): void {
    this.#standsUntil = after(now, span);
    this.#toSay.stand = true;
  }

  #cardOf(now: Instant, mac: string): Card<A> {
    const unanswered = { isAnswered: false, isUnanswered: this.#isSilent };
    return { mac, groups: NOTHING, ...unanswered, port: undefined, heardAt: now };
  }

  /** As the one heard last. */
  #enter(card: Card<A>): void {
    this.#cards.delete(card.mac);
    this.#cards.set(card.mac, card);
    this.#idle.delete(card.mac);
    if (card.groups.size === 0) this.#idle.set(card.mac, card);
  }

  #add(now: Instant, { mac }: Card<A>, port: string): void {
    this.#questions.add(mac, port, "new");
    this.#expectWord(now);
    this.#refreshAt ??= after(now, this.#options.refresh);
    if (this.#cards.size <= MOST_CARDS) return;
    const [least] = this.#idle.values();
    const [first] = this.#cards.values();
    const gone = least ?? first;
    if (gone !== undefined) this.#forget(gone);
  }

  #refresh(now: Instant): void {
    for (const card of this.#cards.values()) {
      const { mac, port = "", isAnswered } = card;
      if (after(card.heardAt, FORGOTTEN_AFTER) <= now) this.#forget(card);
      else if (isAnswered || !this.#questions.waits(mac))
        this.#questions.add(mac, port, isAnswered ? "answered" : "new");
    }
    this.#expectWord(now);
    this.#refreshAt = this.#cards.size > 0 ? after(now, this.#options.refresh) : undefined;
  }

  #expectWord(now: Instant): void {
    if (this.#questions.isEmpty) this.#silentAt = undefined;
    else if (!this.#isSilent) this.#silentAt ??= after(now, SILENT_AFTER);
  }

  #fallSilent(): void {
    this.#silentAt = undefined;
    this.#isSilent = true;
    for (const card of this.#cards.values()) card.isUnanswered = !card.isAnswered;
  }

  /** The card, if control has said nothing of it and would be asked about the group. */
  #unanswered(mac: string, group: A): Card<A> | undefined {
    const card = this.#cards.get(mac);
    return card?.isAnswered === false && this.#isEnforced(group) ? card : undefined;
  }

  #isEnforced(group: A): boolean {
    return this.#options.groups.some((prefix) => covers(prefix, group));
  }

  #forget(card: Card<A>): void {
    if (isEntitled(card)) this.#keep();
    this.#permit(card, NOTHING);
    this.#cards.delete(card.mac);
    this.#idle.delete(card.mac);
    this.#questions.remove(card.mac);
  }

  #permit(card: Card<A>, groups: ReadonlySet<A>): void {
    const { groups: before, port } = card;
    card.groups = groups;
    if (groups.size > 0) this.#idle.delete(card.mac);
    else this.#idle.set(card.mac, card);
    if (port === undefined) return;
    for (const group of groups) if (!before.has(group)) this.#passes.add({ port, group });
    for (const group of before) if (!groups.has(group)) this.#passes.remove({ port, group });
  }

  #move(card: Card<A>, port: string): void {
    for (const group of card.groups) {
      this.#passes.add({ port, group });
      if (card.port !== undefined) this.#passes.remove({ port: card.port, group });
    }
    card.port = port;
    if (isEntitled(card)) this.#keep();
  }

  #keep(): void {
    this.#keptUntil = this.#standsUntil;
    this.#toSay.keep = true;
  }
}

const isEntitled = <A extends Address>({ isAnswered, groups }: Card<A>): boolean => isAnswered && groups.size > 0;

function isSame<A extends Address>(before: ReadonlySet<A>, groups: readonly A[]): boolean {
  return before.size === new Set(groups).size && groups.every((group) => before.has(group));
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
    const there = new Map(passes.map((pass) => [keyOf(pass), pass]));
    for (const [key, pass] of there) if (!this.#counts.has(key)) this.#adopted.set(key, pass);
    this.#removed.clear();
    for (const [key, { pass }] of this.#counts) if (!there.has(key)) this.#added.set(key, pass);
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
