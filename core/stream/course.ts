// Where a stream is: what its authenticated packets show, and what the server says. Every member of the group can make a packet that
// authenticates, so one packet moves the course a little; a leap is believed when several in a row confirm it and nothing between them
// goes on as before, or when it leads to where the server says the stream is. The place before a leap is kept for a while: when the
// stream goes on there after all, the course returns.
import { ReplayWindow, WINDOW } from "../base/replay-window.ts";
import { HALF_TURN, indexOf, LAST_INDEX, nearestIndex, TURN } from "./packet-index.ts";
import { ReceptionStatistics } from "./reception-statistics.ts";

/** Indices that may be passed over and the next is believed at once: half the window, so that a packet of any of them still opens. */
export const NEAR = WINDOW / 2;
/** So many packets in a row confirm a leap. */
export const CONFIRMED_BY = 4;
/** They follow each other within this. */
const ROW = 32;
/** How far the stream may be from where it was when the server's word was said: 17 s at 10 Mbit/s, 2 s at 80. */
const WORD_HOLDS = HALF_TURN / 2;
/** Packets after which the place before a leap is forgotten. */
const SETTLED_AFTER = 256;
/** Failures and repetitions in a row after which other turns are tried too: the stream may have wrapped unheard. */
export const SEARCH_AFTER = 8;
/** Failures in a row after which the position counts as lost. */
const LOST_AFTER = 16;
/** Turns that an outage may have taken: 8 minutes at 10 Mbit/s. */
const TURNS: readonly number[] = [1, 2, 3, 4, 5, 6, 7];
/** A word of the server is at most one turn off (RFC 3711 3.3.1). The stream moves on while it travels, so + 1 first. */
const NEIGHBOURS: readonly number[] = [1, -1];

/** Of an index: whether a packet there would be new. */
export type Freshness = "fresh" | "replayed" | "too-old";

/** Of packets that confirm each other. */
interface Row {
  first: number;
  last: number;
  /** 0: there is none. */
  packets: number;
}

/** Another place where the stream may be: where it was before a leap, or where it would have leapt to. */
interface Aside {
  readonly window: ReplayWindow;
  /** Where packets of it are looked for. */
  readonly reference: number;
  /** The lowest index of the upper of both places: what the upper has accepted is never looked for in the lower. */
  readonly boundary: number;
  /** What the leap between them counted as lost. */
  readonly lost: number;
}

/** One per SSRC. Ask `own` or `others` for indices, `check` them, authenticate, then `place`: a forgery moves nothing but `failed`. */
export class Course {
  readonly statistics = new ReceptionStatistics();
  #window = new ReplayWindow();
  #aside: Aside | undefined;
  readonly #leap: Row = { first: -1, last: -1, packets: 0 };
  readonly #beginning: Row = { first: -1, last: -1, packets: 0 };
  /** The server's word where no packet has confirmed it; -1 when there is none. */
  #word = -1;
  #leaps = 0;
  #failures = 0;
  #repeats = 0;
  /** Indices passed over at once, less the packets that came since. */
  #passedOver = 0;
  /** Packets since the last leap or return. */
  #since = 0;

  /** The highest index that is believed; -1 before the first. */
  get highest(): number {
    return this.#window.highest;
  }

  /** Neither a packet nor the server has said where the stream is. */
  get unknown(): boolean {
    return this.#window.highest < 0 && this.#word < 0;
  }

  /** So often has the stream gone on elsewhere: leaps that were believed, those taken back, and new beginnings. */
  get leaps(): number {
    return this.#leaps;
  }

  /** True from the 16th failure in a row until a packet is placed or `told` is called. */
  get lost(): boolean {
    return this.#failures >= LOST_AFTER;
  }

  /** The index that a packet with this sequence number has, if nothing was missed. May be negative. */
  own(sequence: number): number {
    return nearestIndex(this.#window.highest < 0 ? this.#word : this.#window.highest, sequence);
  }

  /** Where else than at `own` such a packet may belong, appended to `into`: no index twice, none that would not be new, at most twelve. */
  others(sequence: number, own: number, into: number[]): void {
    if (this.#leap.packets > 0) this.suggest(nearestIndex(this.#leap.last, sequence), own, into);
    if (this.#aside !== undefined) this.suggest(nearestIndex(this.#aside.reference, sequence), own, into);
    if (this.#word >= 0 && !this.#isNearWord(this.#window.highest)) this.#suggestByWord(sequence, own, into);
    if (this.#failures + this.#repeats >= SEARCH_AFTER)
      for (const turn of TURNS) this.suggest(own + turn * TURN, own, into);
  }

  /** Appends `index` to `into` if a packet there would be new, and is neither at `own` nor in `into` already. */
  suggest(index: number, own: number, into: number[]): void {
    if (index !== own && this.check(index) === "fresh" && !into.includes(index)) into.push(index);
  }

  /** Judges an index and changes nothing. */
  check(index: number): Freshness {
    if (index < 0 || index > LAST_INDEX) return "too-old";
    const here = this.#window.check(index);
    const aside = this.#aside;
    if (aside === undefined) return here;
    // A packet of the upper place that has come already is no proof that the stream leaps there.
    if (here === "fresh") return index > this.#window.highest + NEAR ? there(aside, index) : here;
    return here === "too-old" && index < aside.boundary ? aside.window.check(index) : here;
  }

  /** An index that a sender which counts anew may have sent from; -1 when nothing speaks for it. */
  beginning(sequence: number): number {
    if (this.#word < 0) return -1;
    const index = nearestIndex(this.#word, sequence);
    return index <= this.#window.highest ? index : -1;
  }

  /** A packet authenticated at `index`, which is "fresh". True when it belongs to the stream, false while that is to be confirmed. */
  place(index: number): boolean {
    if (this.#window.highest < 0) this.#start(index);
    else if (this.#follows(index)) this.#accept(index);
    else if (this.#isNearWord(index)) this.#leapOrReturn(index, index, this.#word);
    else if (confirms(this.#leap, index)) this.#leapOrReturn(index, this.#leap.first, this.#window.highest);
    else return false;
    this.#placed();
    return true;
  }

  /** The same for an index that `beginning` gave; `same`: it was made with the key of the one before. True once the sender counts anew. */
  placeBeginning(index: number, same: boolean): boolean {
    if (!same) this.#beginning.packets = 0;
    if (!confirms(this.#beginning, index)) return false;
    this.statistics.restarted(index);
    this.#leaps++;
    this.#window.restart(index);
    this.#window.accept(index);
    this.#aside = undefined;
    this.#passedOver = 0;
    this.#placed();
    return true;
  }

  /** A packet of the SSRC that did not open. */
  failed(): void {
    this.#failures++;
  }

  /** One whose index had been accepted: a second path, or after an outage of a whole turn a new packet that looks like an old one. */
  repeated(): void {
    this.#repeats++;
  }

  /**
   * Where the sender says the stream is, uint32 and uint16; the word is the server's, who signs it. Where it contradicts a leap the course
   * returns; where nothing opens it pulls the course back; else it is used where our own position fails.
   */
  told(roc: number, sequence: number): void {
    const word = indexOf(roc, sequence);
    const lost = this.lost;
    this.#failures = 0;
    if (this.#contradicts(word)) this.#return();
    else if (lost && word < this.#window.highest - WORD_HOLDS) this.#pullBack(word);
    else if (Math.abs(word - this.#window.highest) < WORD_HOLDS) this.#aside = undefined;
    // Near and ahead it says nothing new; behind, it may be where a sender counts anew.
    this.#word = word - this.#window.highest < WORD_HOLDS && word > this.#window.highest ? -1 : word;
    if (this.#window.highest < 0) this.#word = word;
  }

  #isNearWord(index: number): boolean {
    return this.#word >= 0 && index >= 0 && Math.abs(index - this.#word) <= WORD_HOLDS;
  }

  #follows(index: number): boolean {
    const { highest } = this.#window;
    if (index <= highest) return this.#window.check(index) === "fresh";
    return this.#passedOver + index - highest - 1 <= NEAR;
  }

  /** 3.3.1: only here, after the packet has authenticated, do position and window move. */
  #accept(index: number): void {
    const { highest } = this.#window;
    this.#passedOver = Math.max(0, this.#passedOver + (index > highest ? index - highest - 2 : -1));
    this.statistics.accepted(index, highest);
    this.#window.accept(index);
    const aside = this.#aside;
    if (aside !== undefined && index < aside.window.highest && aside.window.check(index) === "fresh")
      aside.window.accept(index);
  }

  #placed(): void {
    this.#failures = 0;
    this.#repeats = 0;
    this.#leap.packets = 0;
    this.#beginning.packets = 0;
    if (this.#isNearWord(this.#window.highest)) this.#word = -1;
    if (++this.#since >= SETTLED_AFTER) this.#aside = undefined;
  }

  /** The first packet is shown at once, before anything confirms it; so the server's word is kept beside it. */
  #start(index: number): void {
    this.#aside = {
      window: new ReplayWindow(),
      reference: this.#word < 0 ? index : this.#word,
      boundary: index,
      lost: 0,
    };
    this.#since = 0;
    this.#accept(index);
    this.#passedOver = 0;
  }

  /** As `#leapTo`, where the place aside does not know better what has come there. */
  #leapOrReturn(index: number, from: number, reference: number): void {
    const aside = this.#aside;
    if (aside !== undefined && belongs(aside, this.#window, index)) this.#returnTo(index);
    else this.#leapTo(index, from, reference);
  }

  #returnTo(index: number): void {
    this.#return();
    this.#accept(index);
    this.#passedOver = 0;
  }

  /** `from` is the lowest index that is known there, `reference` where the stream is looked for if this was none of its packets. */
  #leapTo(index: number, from: number, reference: number): void {
    const { highest } = this.#window;
    const before = this.statistics.lost;
    const kept = this.#aside;
    const window = this.#window.copy();
    this.#accept(index);
    this.#leaped();
    const lost = this.statistics.lost - before;
    // Of several leaps in a row the place before the first counts.
    const several = kept !== undefined && kept.window.highest <= highest;
    this.#aside = several ? { ...kept, lost: kept.lost + lost } : { window, reference, boundary: from, lost };
  }

  /** Here and aside change places. */
  #return(): void {
    const aside = this.#aside;
    if (aside === undefined) return;
    const { highest } = this.#window;
    this.statistics.returned(aside.window.highest < highest ? -aside.lost : aside.lost);
    this.#aside = { ...aside, window: this.#window, reference: highest };
    this.#window = aside.window;
    this.#leaped();
  }

  #contradicts(word: number): boolean {
    const aside = this.#aside;
    if (aside === undefined) return false;
    const fromHere = Math.abs(word - this.#window.highest);
    const fromThere = Math.abs(word - aside.reference);
    // Where nothing has come yet nothing is known of what came here: the word must leave no doubt.
    return fromHere > (aside.window.highest < 0 ? WORD_HOLDS : NEAR) && fromThere < Math.min(fromHere, WORD_HOLDS);
  }

  /**
   * Nothing opens here, and the server says that the stream is far behind: who led us here held the key. What is before the word may have
   * come already, so only what is behind it is taken.
   */
  #pullBack(word: number): void {
    const upper = this.#window;
    this.#window = new ReplayWindow();
    this.#window.restart(word + 1);
    this.#aside = { window: upper, reference: upper.highest, boundary: upper.highest - WINDOW, lost: 0 };
    this.#leaped();
  }

  #leaped(): void {
    this.#leaps++;
    this.#passedOver = 0;
    this.#since = 0;
  }

  #suggestByWord(sequence: number, own: number, into: number[]): void {
    const index = nearestIndex(this.#word, sequence);
    this.suggest(index, own, into);
    for (const turn of NEIGHBOURS) this.suggest(index + turn * TURN, own, into);
  }
}

/** One more packet in the row, or the first of another. True when it is confirmed. */
function confirms(row: Row, index: number): boolean {
  const away = index - row.last;
  if (row.packets === 0 || Math.abs(away) > ROW) {
    row.first = index;
    row.packets = 0;
  } else if (away <= 0) return false;
  row.last = index;
  row.packets++;
  return row.packets >= CONFIRMED_BY;
}

const isUpper = (aside: Aside, window: ReplayWindow): boolean => aside.window.highest > window.highest;

function belongs(aside: Aside, window: ReplayWindow, index: number): boolean {
  return isUpper(aside, window) ? index > aside.window.highest - WINDOW : index < aside.boundary;
}

/** What the upper place has accepted, or may have, is not fresh; what is before it or behind it may be. */
function there({ window, boundary }: Aside, index: number): Freshness {
  const freshness = window.check(index);
  return freshness === "too-old" && index < boundary ? "fresh" : freshness;
}
