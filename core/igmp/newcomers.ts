// How quickly hosts that nobody knows may take places while room is short, and who is let in when more come than that.
//
// Theory of operation. Anybody may invent hosts, and each may bring a few groups (host-shares.ts). While more than half of all places are
// free nobody waits: people are not kept from anything until somebody floods. Nor does, at any time, whoever joins a group that is there
// already, or was known before room became short. What is left then is for new hosts one by one: they are taken at their word as long
// as their interface, and their port where it is known, have tokens left, so many a minute, two minutes' worth at once.
//
// A new host that finds no token must answer a question first: it is refused, and has a place in a line. As long as there is a line,
// those in it are asked every few seconds, with a short time to answer. With each question whoever has said nothing since the last one
// loses its place, and those at the head, as many as may come in until the next, are let in as soon as they speak again. A host that is
// there answers each question by itself; an invented one costs its inventor an answer each time, and never goes past who came before it.
//
// A short line is asked about its groups, which disturbs nobody else, a long one by a general question. When two questions have let
// nobody in and nobody came, those that wait lack something else: the next ones come at twice the distance each, up to the query interval,
// until somebody comes.
//
// So a host that comes while others are invented, however many, has its turn within two rounds and an answer: by the defaults 11 s. For
// each hundred hosts that somebody invents and keeps answering for it is a second more (fifty, behind its own port). The line is no bound
// on how much room they take, if they do answer: that is the thresholds of host-shares.ts, which leave a place to whoever has none until
// some hundreds of them are there.
//
// Where another router asks, we may not, and a round is as long as it takes that one to ask and hear everybody. While the link has just
// come up nobody is known, so nobody is new.

import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { after, type Duration, earliest, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
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

/** What a new host was refused, and why. */
interface Wish<A extends Address = Ipv4> {
  readonly host: TrackedHost<A>;
  readonly group: A;
  readonly reason: NewHostDrop;
}

/** A host that was refused because it is new. */
export interface WaitingHost<A extends Address = Ipv4> {
  /** As it was heard last. */
  readonly host: TrackedHost<A>;
  /** For which it was refused last. */
  readonly group: A;
  readonly reason: NewHostDrop;
  /** How often it was refused. */
  readonly times: number;
  readonly last: Instant;
}

interface Place<A extends Address = Ipv4> extends WaitingHost<A> {
  /** It is let in as soon as it speaks. */
  isDue: boolean;
}

/** Whom to ask: all hosts, or those who want one of these groups. */
export type NewcomersQuestion<A extends Address = Ipv4> = "everybody" | readonly A[];

/** Places in the line of an interface; who finds none is not remembered, and may try again. */
const MOST = 16_384;

const AT_ONCE = seconds(120);

/** So many of those who answer come in, and no more than half of them behind one port. */
const ANSWERED_PER_SECOND = 100;

/** From the first refusal to the first question: a crowd comes together. */
const FIRST = seconds(1);

/** A line of so many is asked about its groups. */
const SHORT_LINE = 16;

/** So many questions that change nothing are asked at the usual distance. */
const PATIENT = 2;

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
  /** How long the last one was meant to be. */
  #round: Duration = FIRST;
  /** Questions since somebody came, or was let in. */
  #unchanged = 0;
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
  wait(now: Instant, key: StationKey<A>, { host, group, reason }: Wish<A>): void {
    const known = this.#line.get(key);
    if (known === undefined && this.#line.size >= MOST) return;
    this.#line.set(key, { host, group, reason, times: (known?.times ?? 0) + 1, last: now, isDue: false });
    if (known === undefined) this.#hasCome(now);
  }

  /** It is asked as soon as the first one was, or as the usual round allows. */
  #hasCome(now: Instant): void {
    this.#unchanged = 0;
    const soon = after(now, FIRST);
    const usual = this.#askedAt === undefined ? soon : after(this.#askedAt, this.#round);
    this.#nextRound = earliest([this.#nextRound, instant(Math.max(usual, soon))]);
  }

  /** It was let in: at its word, or because it is its turn. */
  admit(now: Instant, key: StationKey<A>, { port }: TrackedHost<A>): void {
    const isDue = this.#line.get(key)?.isDue === true;
    this.#line.delete(key);
    if (isDue) this.#unchanged = 0;
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
   * The question that is due, which is taken to be asked; undefined: none is.
   *
   * @param round how long it takes until everybody who is there has answered it
   * @param longest from one question to the next, while nothing changes
   */
  poll(now: Instant, round: Duration, longest: Duration): NewcomersQuestion<A> | undefined {
    if (this.#nextRound === undefined || now < this.#nextRound) return undefined;
    this.#forgetSilent();
    if (this.#line.size === 0) {
      this.#rest();
      return undefined;
    }
    this.#callUp(round);
    const rarer = round * 2 ** Math.max(0, this.#unchanged++ - PATIENT);
    this.#round = round;
    this.#askedAt = now;
    this.#nextRound = after(now, milliseconds(Math.max(round, Math.min(longest, rarer))));
    if (this.#line.size > SHORT_LINE) return "everybody";
    return [...new Set(Array.from(this.#line.values(), ({ group }) => group))];
  }

  #rest(): void {
    this.#askedAt = undefined;
    this.#nextRound = undefined;
    this.#unchanged = 0;
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
    this.#rest();
  }
}
