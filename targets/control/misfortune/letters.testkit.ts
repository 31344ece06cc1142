// Who is there, and the network between them: letters arrive late, twice, in another order, or never.
import type { Message } from "../../../core/control/messages.ts";
import type { Peer } from "../../../core/control/participant.ts";
import { peer } from "../../../core/control/servers.testkit.ts";
import type { Chance } from "./chance.testkit.ts";

export const KEY_SERVER = peer("keyserver", "ks", 100);
export const RECEPTION_SERVER = peer("reception", "rs", 101);
export const HEADEND = peer("headend", "he", 102);
/** "one" has its keys from the headend (claim 3), "two" from the key server (claim 7). */
export const CHANNELS = ["one", "two"] as const;
export type Channel = (typeof CHANNELS)[number];

export interface Letter {
  readonly to: Peer;
  readonly from: Peer;
  readonly message: Message;
  /** Set when it can be answered. */
  readonly asks: boolean;
}

/** Letters that can be on their way at once; beyond it one is lost. */
const ON_THE_WAY = 20;

export class Letters {
  readonly #chance: Chance;
  readonly #letters: Letter[] = [];

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** As on the wire, here and on arrival: the octets of a letter are its sender's and its receiver's no more. */
  post(letter: Letter): void {
    this.#letters.push(copied(letter));
    if (this.#letters.length > ON_THE_WAY) this.#letters.splice(Math.floor(this.#chance.below(ON_THE_WAY)), 1);
  }

  /** Any letter, in any order; some stay to arrive again, some are lost. undefined: nothing arrives. */
  next(): Letter | undefined {
    if (this.#letters.length === 0) return undefined;
    const at = this.#chance.calm ? 0 : Math.floor(this.#chance.below(this.#letters.length));
    const letter = this.#letters[at];
    const roll = this.#chance.misfortune();
    if (roll > 0.15) this.#letters.splice(at, 1);
    return roll > 0.15 && roll < 0.25 ? undefined : letter && copied(letter);
  }
}

const copied = (letter: Letter): Letter => ({ ...letter, message: structuredClone(letter.message) });
