// How quickly hosts that nobody knows may become members, and who is let in when more come than that.
//
// Theory of operation. Anybody may invent hosts. Each may hold a few groups (host-shares.ts), so invented ones would take all the room there
// is within a second, and hold it for a membership interval. A host is new when it was not tracked within such an interval; new hosts
// are taken at their word as long as their interface, and their port where it is known, have tokens left: so many a minute, two minutes'
// worth at once. By the defaults these are 380 in a membership interval of 260 s: with the 8 groups that every host may have 3,040 of
// 4,096, and half of that behind one port. A house never comes to it.
//
// A new host that finds no token must answer a question first: it is refused, and has a place in a line. As long as there is a line,
// everybody is asked every few seconds, with a short time to answer. With each question whoever has said nothing since the last one loses
// its place, and those at the head, as many as may come in until the next, are let in as soon as they speak again. A host that is there
// answers each question by itself; an invented one costs its inventor an answer each time, and never goes past who came before it.
//
// So a host that comes while others are invented, however many, is let in within two rounds and an answer: by the defaults 11 s. For each
// hundred hosts that somebody invents and keeps answering for it is a second more (fifty, behind its own port). Of an honest crowd, such
// as a thousand set-tops after a power cut, the first 120 come in at once (60 behind one port), the rest a hundred a second from the first
// question on, which comes after a second.
//
// Where another router asks, we may not, and a round is as long as it takes that one to ask and hear everybody. While the link has just
// come up nobody is known, so nobody is new.

import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { StationKey } from "./stations.ts";

/** new-hosts, port-new-hosts: nobody knows the host, and more such come to the interface, or behind its port, than are taken at their word. */
export type NewHostDrop = "igmp.new-hosts" | "igmp.port-new-hosts";

/** Whether it is for now only: the host is let in when it answers the next questions. */
export const isNewHostDrop = (reason: string): reason is NewHostDrop =>
  reason === "igmp.new-hosts" || reason === "igmp.port-new-hosts";

/** How many new hosts are taken at their word, on average; two minutes' worth may come at once. Infinity: all. */
export interface NewHostLimits {
  readonly newHostsPerMinute: number;
  /** Behind one bridge port, where that is known. */
  readonly newHostsPerMinutePerPort: number;
}

/** A host that was refused because it is new. */
export interface WaitingHost<A extends Address = Ipv4> {
  /** As it was heard last. */
  readonly host: TrackedHost<A>;
  readonly reason: NewHostDrop;
  /** How often it was refused. */
  readonly times: number;
  readonly last: Instant;
}

interface Place<A extends Address = Ipv4> extends WaitingHost<A> {
  /** It is let in as soon as it speaks. */
  isDue: boolean;
}

/** Places in the line of an interface; who finds none is not remembered, and may try again. */
const MOST = 16_384;

const AT_ONCE = seconds(120);

/** So many of those who answer come in, and no more than half of them behind one port. */
const ANSWERED_PER_SECOND = 100;

/** From the first refusal to the first question: a crowd comes together. */
const FIRST = seconds(1);

/** Places with tokens, beside the ports: the interface, and a port that taps have still to show, which any packet may come from. */
const INTERFACE = "";
const UNSEEN_PORT = "?";

/** The new hosts of one interface, each under the key by which tracking knows it. */
export class Newcomers<A extends Address = Ipv4> {
  #limits: NewHostLimits;
  /** By interface and port, when all tokens that were taken are back. */
  readonly #paid = new Map<string, Instant>();
  /** Who came first is first. */
  readonly #line = new Map<StationKey<A>, Place<A>>();
  #askedAt: Instant | undefined;
  #nextRound: Instant | undefined;
  #openUntil: Instant | undefined;
  #isTapped = false;

  constructor(limits: NewHostLimits) {
    this.#limits = limits;
  }

  /** New limits; who waits goes on waiting. */
  limit(limits: NewHostLimits): void {
    this.#limits = limits;
  }

  /** Whether taps tell behind which port everybody is, sooner or later. */
  tap(isTapped: boolean): void {
    this.#isTapped = isTapped;
  }

  /** Until then nobody is known, so that nobody is new. */
  open(until: Instant): void {
    this.#openUntil = until;
  }

  /** Why a host that is not known may not be let in now; undefined: it may. */
  refuse(now: Instant, key: StationKey<A>, { port }: TrackedHost<A>): NewHostDrop | undefined {
    if (this.#openUntil !== undefined && now < this.#openUntil) return undefined;
    if (this.#line.get(key)?.isDue === true) return undefined;
    const behind = this.#portOf(port);
    if (behind !== undefined && !this.#hasToken(now, behind)) return "igmp.port-new-hosts";
    return this.#hasToken(now, INTERFACE) ? undefined : "igmp.new-hosts";
  }

  /** It was refused: it keeps its place in the line, or has the last one. */
  wait(now: Instant, key: StationKey<A>, host: TrackedHost<A>, reason: NewHostDrop): void {
    const known = this.#line.get(key);
    if (known === undefined && this.#line.size >= MOST) return;
    this.#line.set(key, { host, reason, times: (known?.times ?? 0) + 1, last: now, isDue: false });
    this.#nextRound ??= after(now, FIRST);
  }

  /** It was let in: at its word, or because it is its turn. */
  admit(now: Instant, key: StationKey<A>, { port }: TrackedHost<A>): void {
    const isDue = this.#line.get(key)?.isDue === true;
    this.#line.delete(key);
    if (isDue || (this.#openUntil !== undefined && now < this.#openUntil)) return;
    this.#takeToken(now, INTERFACE);
    const behind = this.#portOf(port);
    if (behind !== undefined) this.#takeToken(now, behind);
  }

  /** undefined where nobody can tell. */
  #portOf(port: string): string | undefined {
    if (port !== "") return port;
    return this.#isTapped ? UNSEEN_PORT : undefined;
  }

  #spacing(place: string): Duration {
    const { newHostsPerMinute, newHostsPerMinutePerPort } = this.#limits;
    return milliseconds(60_000 / (place === INTERFACE ? newHostsPerMinute : newHostsPerMinutePerPort));
  }

  #hasToken(now: Instant, place: string): boolean {
    const owed = (this.#paid.get(place) ?? now) - now;
    return owed <= AT_ONCE - this.#spacing(place);
  }

  #takeToken(now: Instant, place: string): void {
    for (const [name, paid] of this.#paid) if (paid <= now) this.#paid.delete(name);
    const from = instant(Math.max(now, this.#paid.get(place) ?? now));
    this.#paid.set(place, after(from, this.#spacing(place)));
  }

  /**
   * A question is due: whether it is, and then it is taken to be asked.
   *
   * @param round how long it takes until everybody who is there has answered it
   */
  poll(now: Instant, round: Duration): boolean {
    if (this.#nextRound === undefined || now < this.#nextRound) return false;
    this.#forgetSilent();
    this.#callUp(round);
    this.#askedAt = this.#line.size > 0 ? now : undefined;
    this.#nextRound = this.#line.size > 0 ? after(now, round) : undefined;
    return this.#line.size > 0;
  }

  #forgetSilent(): void {
    const asked = this.#askedAt;
    if (asked === undefined) return;
    for (const [key, { last }] of this.#line) if (last < asked) this.#line.delete(key);
  }

  /** Whose turn it is, in this round. */
  #callUp(round: Duration): void {
    let left = Math.ceil((ANSWERED_PER_SECOND * round) / 1000);
    const most = left / 2;
    const behind = new Map<string, number>();
    for (const place of this.#line.values()) {
      const port = this.#portOf(place.host.port);
      const count = (behind.get(port ?? "") ?? 0) + 1;
      if (port !== undefined && count > most) continue;
      behind.set(port ?? "", count);
      place.isDue = true;
      if (--left <= 0) return;
    }
  }

  nextDeadline(): Instant | undefined {
    return this.#nextRound;
  }

  /** Who waits, as far as that is remembered. */
  waiting(): Iterable<WaitingHost<A>> {
    return this.#line.values();
  }

  /** The link is gone. */
  clear(): void {
    this.#line.clear();
    this.#askedAt = undefined;
    this.#nextRound = undefined;
  }
}
