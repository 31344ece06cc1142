// A channel's machine on a clock of its own, with a key server that answers as told. Everything that happens is a line of text.

import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { toHex } from "../base/bytes.ts";
import { address } from "../base/ipv4.ts";
import { type Duration, type Instant, instant, milliseconds, seconds } from "../base/time.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { HeadendChannel } from "./channel.ts";
import type { ChannelEffect, ChannelEvent, ChannelOptions } from "./events.ts";

export const KEY_SERVER: Peer = { role: "keyserver", id: "ks", publicKey: new Uint8Array(32).fill(1) };

export const optionsOf = (keys: ChannelOptions["keys"]): ChannelOptions => ({
  parameters: {
    channel: "news",
    group: address("239.255.77.1"),
    port: 5004,
    stream: { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 7, payloadType: 33 },
    interval: 60_000,
    overlap: 2000,
    window: 4000,
  },
  keys,
  lead: seconds(5),
  shortestLead: milliseconds(500),
  keyServer: KEY_SERVER,
  position: () => ({ ssrc: 7, roc: 3, seq: 9 }),
});

/** What the key server does with a message; undefined is silence. */
export type Answerer = (message: Message, at: Instant) => Message | undefined;

export class SimulatedHeadend {
  readonly machine: HeadendChannel;
  readonly log: string[] = [];
  readonly sent: Message[] = [];
  now: Instant = instant(0);
  answerer: Answerer;
  /** One way of the network. */
  delay: Duration = milliseconds(10);
  readonly #flying: { readonly at: Instant; readonly message: Message }[] = [];

  constructor(keys: ChannelOptions["keys"], answerer: Answerer = accept, seed = 1) {
    this.machine = new HeadendChannel(optionsOf(keys), new SeededEntropy(seed), this.now);
    this.answerer = answerer;
    this.#apply(this.machine.receive(this.now, { kind: "broker", up: true }));
  }

  feed(event: ChannelEvent): void {
    this.#apply(this.machine.receive(this.now, event));
  }

  hear(message: Message): void {
    this.feed({ kind: "message", from: KEY_SERVER, message, request: undefined });
  }

  run(span: Duration): void {
    this.runUntil(instant(this.now + span));
  }

  runUntil(end: Instant): void {
    for (;;) {
      this.#flying.sort((a, b) => a.at - b.at);
      const arrival = this.#flying[0]?.at ?? Number.POSITIVE_INFINITY;
      const deadline = this.machine.nextDeadline() ?? Number.POSITIVE_INFINITY;
      const next = Math.min(arrival, deadline);
      if (next > end) break;
      this.now = instant(Math.max(this.now, next));
      if (arrival <= deadline) this.hear((this.#flying.shift() as { message: Message }).message);
      else this.#apply(this.machine.poll(this.now));
    }
    this.now = end;
  }

  /** The log without the reports of every second, and without what stands before `from`. */
  lines(from = 0): readonly string[] {
    return this.log.slice(from).filter((line) => !line.includes("stream.report"));
  }

  /** Messages of one type, in order. */
  of<T extends Message["type"]>(type: T): readonly MessageOf<T>[] {
    return this.sent.filter((message) => message.type === type) as unknown as readonly MessageOf<T>[];
  }

  #apply(effects: readonly ChannelEffect[]): void {
    for (const effect of effects) {
      this.log.push(`${Math.round(this.now)} ${describe(effect)}`);
      if (effect.kind !== "send") continue;
      this.sent.push(effect.message);
      const answer = this.answerer(effect.message, this.now);
      if (answer !== undefined) this.#flying.push({ at: instant(this.now + 2 * this.delay), message: answer });
    }
  }
}

function describe(effect: ChannelEffect): string {
  switch (effect.kind) {
    case "send":
    case "answer":
      return describeMessage(effect.message);
    case "install":
      return `install ${effect.key.epoch}`;
    case "switch":
      return `switch ${effect.epoch}`;
    case "alarm":
      return `alarm ${effect.alarm} ${effect.raised ? "raised" : "over"}`;
  }
}

function describeMessage(message: Message): string {
  if (message.type === "epoch.proposal") return `epoch.proposal ${message.key.epoch} in ${message.switchIn}`;
  if (message.type === "epoch.taken") return `epoch.taken ${message.epoch}`;
  if (message.type === "epoch.wanted") return `epoch.wanted ${message.last ?? "first"}`;
  return message.type;
}

/** A key server that takes everything. */
export const accept: Answerer = (message) =>
  message.type === "epoch.proposal"
    ? { type: "epoch.accepted", id: message.id, channel: "news", epoch: message.key.epoch }
    : undefined;

export const silent: Answerer = () => undefined;

export const refuse =
  (last: number, reason: "stale" | "not-authorised" = "stale"): Answerer =>
  (message) =>
    message.type === "epoch.proposal" || message.type === "epoch.wanted"
      ? { type: "epoch.refused", id: message.id, channel: "news", reason, last }
      : undefined;

let offers = 0;
export function offer(epoch: number, switchIn: number, id?: Uint8Array): MessageOf<"epoch.offer"> {
  offers++;
  return {
    type: "epoch.offer",
    id: id ?? new Uint8Array(16).fill(offers),
    channel: "news",
    key: { epoch, masterKey: new Uint8Array(16).fill(epoch), masterSalt: new Uint8Array(12).fill(epoch) },
    switchIn,
  };
}

export const demand = (n: number): MessageOf<"epoch.demand"> => ({
  type: "epoch.demand",
  id: new Uint8Array(16).fill(0x80 + n),
  channel: "news",
});

export const idOf = (message: { readonly id: Uint8Array }): string => toHex(message.id);
