// A set-top on a test bench: simulated time, seeded chance, a journal in memory, and answers as a key server would write them.

import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { toHex } from "../base/bytes.ts";
import { ipv4 } from "../base/ipv4.ts";
import { type Instant, instant, unixTime } from "../base/time.ts";
import type { Message, MessageOf, Notice } from "../control/messages.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { JournalEntry } from "../ports/journal.ts";
import type { Channel, SettopEffect, SettopEvent } from "./events.ts";
import { Settop, type SettopOptions } from "./settop.ts";

/** Instant 0 on every bench: 2026-01-01T00:00:00Z. */
const START = 1_767_225_600_000;

export const CHANNELS: readonly Channel[] = [
  { id: "one", group: ipv4(0xefff4d01), port: 5001 },
  { id: "two", group: ipv4(0xefff4d02), port: 5002 },
  { id: "three", group: ipv4(0xe8010103), port: 5003, source: ipv4(0x0a000001) },
];

export const calendar: Calendar = {
  unix: (at) => unixTime(START + at),
  at: (time) => instant(time - START),
};

export type KeyRequest = MessageOf<"key.request">;
export type Stop = MessageOf<"stop">;

export interface Sent {
  readonly at: Instant;
  readonly message: Message;
}

export class SimulatedSettop {
  settop: Settop;
  now: Instant = instant(0);
  /** What survives a power cut. */
  journal: readonly JournalEntry[] = [];
  readonly effects: SettopEffect[] = [];
  readonly sent: Sent[] = [];
  /** Called with each message that leaves; what it feeds back is handled after the effects. */
  server: (message: Message) => void = () => {};
  /** After this many more effects the power goes, in the middle of a list if need be. */
  fuse = Number.POSITIVE_INFINITY;
  readonly #options: SettopOptions;
  readonly #entropy: Entropy;

  constructor(options: Partial<SettopOptions> = {}, seed = 1) {
    this.#options = { device: "box-1", channels: CHANNELS, ...options };
    this.#entropy = new SeededEntropy(seed);
    this.settop = this.#boot();
  }

  /** Returns the effects of this event. */
  feed(event: SettopEvent): readonly SettopEffect[] {
    return this.#apply(this.settop.receive(this.now, event));
  }

  /** Lets `ms` pass, polling at every deadline. */
  run(ms: number): void {
    const until = this.now + ms;
    for (let due = this.settop.nextDeadline(); due !== undefined && due <= until; due = this.settop.nextDeadline()) {
      this.now = instant(Math.max(this.now, due));
      this.#apply(this.settop.poll(this.now));
    }
    this.now = instant(until);
  }

  /** The device dies and starts again; only the journal is left. */
  powerCut(): void {
    this.settop = this.#boot();
  }

  /** Tuned to channel "one", joined, the broker there. */
  tuned(): this {
    this.feed({ kind: "broker", up: true });
    this.feed({ kind: "tune", channel: "one" });
    this.feed({ kind: "joined", channel: "one" });
    return this;
  }

  /** As `tuned`, and granted these epochs. */
  watching(...epochs: readonly number[]): this {
    this.tuned();
    this.feed({ kind: "answer", message: grant(this.lastRequest(), epochs) });
    return this;
  }

  lastRequest(channel = "one"): KeyRequest {
    const found = this.requests().findLast((request) => request.channel === channel);
    if (found === undefined) throw new RangeError(`no key request for ${channel}`);
    return found;
  }

  requests(): readonly KeyRequest[] {
    return this.sent.flatMap(({ message }) => (message.type === "key.request" ? [message] : []));
  }

  /** Key requests, repeats not counted. */
  questions(): number {
    return new Set(this.requests().map(({ id }) => toHex(id))).size;
  }

  stops(): readonly Stop[] {
    return this.sent.flatMap(({ message }) => (message.type === "stop" ? [message] : []));
  }

  /** Kinds of the effects since the last look, in order. */
  kinds(): readonly string[] {
    return this.effects.splice(0).map((effect) => effect.kind);
  }

  #boot(): Settop {
    return new Settop(this.#options, this.#entropy, calendar, this.journal, this.now);
  }

  #apply(effects: readonly SettopEffect[]): readonly SettopEffect[] {
    const lit = effects.slice(0, this.fuse);
    for (const effect of lit) {
      this.effects.push(effect);
      if (effect.kind === "remember") this.journal = effect.entries;
      if (effect.kind === "send") this.sent.push({ at: this.now, message: effect.message });
    }
    this.fuse -= lit.length;
    if (this.fuse === 0) {
      this.fuse = Number.POSITIVE_INFINITY;
      this.powerCut();
    }
    for (const effect of lit) if (effect.kind === "send") this.server(effect.message);
    return effects;
  }
}

export const SSRC = 0x5ea1ca57;

export const keyOf = (epoch: number, fill = epoch) => ({
  epoch,
  masterKey: new Uint8Array(16).fill(fill),
  masterSalt: new Uint8Array(12).fill(fill ^ 0xff),
});

/** 76 or 95. */
export function grant(
  request: KeyRequest,
  epochs: readonly number[],
  more: Partial<MessageOf<"key.grant">> = {},
): MessageOf<"key.grant"> {
  return {
    type: "key.grant",
    id: request.id,
    channel: request.channel,
    stream: { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: SSRC, payloadType: 33 },
    epochs: epochs.map((epoch) => keyOf(epoch)),
    current: epochs[0] ?? 0,
    position: { roc: 0, seq: 1, age: 10 },
    refreshWithin: 600_000,
    ...more,
  };
}

export const denial = (request: KeyRequest, reason: MessageOf<"key.denied">["reason"]): MessageOf<"key.denied"> => ({
  type: "key.denied",
  id: request.id,
  channel: request.channel,
  reason,
  text: "in words",
});

export const busy = (request: KeyRequest, retryAfter: number): MessageOf<"key.busy"> => ({
  type: "key.busy",
  id: request.id,
  channel: request.channel,
  reason: "load",
  retryAfter,
});

/** 86. */
export const acknowledgement = ({ id, channel, reception }: Stop): MessageOf<"stop.acknowledged"> => ({
  type: "stop.acknowledged",
  id,
  channel,
  reception,
});

/** 91, issued at `now`. */
export const notice = (now: Instant, channel: string, epoch: number, switchIn = 2000, window = 1000): Notice => ({
  channel,
  epoch,
  issued: calendar.unix(now),
  switchIn,
  window,
});
