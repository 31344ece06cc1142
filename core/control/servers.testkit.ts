// For the tests of both servers: peers, octets, chance without surprises, and a bench on which messages reach a machine.

import type { Machine } from "../base/machine.ts";
import { type Instant, instant, unixTime } from "../base/time.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { Received, Request } from "./mailbox.ts";
import type { Message } from "./messages.ts";
import type { Peer } from "./participant.ts";

export const bytes = (fill: number, length = 16): Uint8Array => new Uint8Array(length).fill(fill);

export const peer = (role: Peer["role"], id: string, fill: number): Peer => ({ role, id, publicKey: bytes(fill, 32) });

/** Every draw differs, and the middle of every range. */
export class CountingEntropy implements Entropy {
  #drawn = 0;

  bytes(length: number): Uint8Array {
    this.#drawn += 1;
    return bytes(this.#drawn, length);
  }

  below(limit: number): number {
    return limit / 2;
  }
}

/** The bench begins at Unix time 10^12. */
export const CALENDAR: Calendar = {
  unix: (at: Instant) => unixTime(1e12 + at),
  at: (time: number) => instant(time - 1e12),
};

type Heard = { readonly kind: "message"; readonly received: Received };

/** A server, its clock, and what is seen of its effects. */
export abstract class ServerBench<Event, Effect, Seen> {
  now: Instant = instant(0);
  abstract readonly server: Machine<Event | Heard, Effect>;

  protected abstract seen(effects: readonly Effect[]): Seen[];

  /** Something that asks. */
  hear(from: Peer, message: Message): Seen[] {
    const request = { from, message } as unknown as Request;
    return this.feed({ kind: "message", received: { from, message, request } });
  }

  /** Something that answers. */
  answer(from: Peer, message: Message): Seen[] {
    return this.feed({ kind: "message", received: { from, message, request: undefined } });
  }

  feed(event: Event | Heard): Seen[] {
    return this.seen(this.server.receive(this.now, event));
  }

  pass(milliseconds: number): Seen[] {
    this.now = instant(this.now + milliseconds);
    return this.seen(this.server.poll(this.now));
  }
}
