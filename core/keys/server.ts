// The key server (claims 4 and 7): keys of channels in, key requests answered after an inquiry, stops passed on and acknowledged.
import { sameBytes, toHex } from "../base/bytes.ts";
import { Counters } from "../base/counters.ts";
import type { Machine } from "../base/machine.ts";
import { after, earliest, type Instant, seconds, unixTime } from "../base/time.ts";
import type { Received, Request } from "../control/link.ts";
import { DENIALS, type Denial, type Message, type MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { Recent } from "../control/recent.ts";
import { type Matched, newRequestId, Requester, type RequesterEffect } from "../control/requester.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import { BegunReceptions } from "./begun-receptions.ts";
import { type ChannelEffect, ChannelKeys, type ChannelResult } from "./channel-keys.ts";
import type { KeyServerDrop, KeyServerEffect, KeyServerEvent, KeyServerPeers } from "./events.ts";
import { holdsFor, type KeptChannel, keyOf, liveOf, refreshWithin, streamOf } from "./kept-channel.ts";
import { WaitingDevices } from "./waiting.ts";

export interface KeyServerLimits {
  readonly channels: number;
  /** Key requests and stops that wait for the reception server at once; beyond, a request is answered "busy". */
  readonly waiting: number;
}

export const KEY_SERVER_LIMITS: KeyServerLimits = { channels: 4096, waiting: 20_000 };

/** A reception server that has not answered by then is told to the device as "busy". */
const INQUIRY_PATIENCE = seconds(3);
const STOP_PATIENCE = seconds(10);
/** Milliseconds, spread over as much again. */
const RETRY_AFTER = { "no-epoch": 500, "reception-server": 1_000, load: 2_000 } as const;
const REMEMBERED_DEMANDS = 256;

type Effects = readonly KeyServerEffect[];
type InquiryMessage = MessageOf<"inquiry">;

export interface KeyServerStatus {
  readonly channels: number;
  readonly waiting: number;
  readonly answers: Record<string, number>;
  readonly drops: Record<string, number>;
}

export class KeyServer implements Machine<KeyServerEvent, KeyServerEffect> {
  readonly #peers: KeyServerPeers;
  readonly #calendar: Calendar;
  readonly #entropy: Entropy;
  readonly #limits: KeyServerLimits;
  readonly #requester: Requester;
  readonly #channels = new Map<string, ChannelKeys>();
  readonly #commits = new Map<number, ChannelKeys>();
  readonly #starts = new WaitingDevices();
  readonly #stops = new WaitingDevices();
  readonly #begun = new BegunReceptions();
  readonly #demands = new Recent<string, true>(REMEMBERED_DEMANDS);
  readonly #answers = new Counters<string>();
  readonly #drops = new Counters<KeyServerDrop>();
  #channelsTouched = true;
  #channelsDue: Instant | undefined;
  #token = 0;

  /** `kept` is what the store holds: `keptChannels` puts its rows together. */
  constructor(
    peers: KeyServerPeers,
    calendar: Calendar,
    entropy: Entropy,
    kept: readonly KeptChannel[] = [],
    limits = KEY_SERVER_LIMITS,
  ) {
    this.#peers = peers;
    this.#calendar = calendar;
    this.#entropy = entropy;
    this.#limits = limits;
    this.#requester = new Requester(entropy, { outstanding: 2 * limits.waiting, slowest: seconds(2) });
    for (const channel of kept) this.#channels.set(channel.row.channel, this.#channelKeys(channel));
  }

  receive(now: Instant, event: KeyServerEvent): Effects {
    return [...this.#handle(now, event), ...this.poll(now)];
  }

  poll(now: Instant): Effects {
    const due = this.#nextOfChannels();
    const channels = due !== undefined && due <= now ? this.#pollChannels(now) : [];
    return [...channels, ...this.#asked(this.#requester.poll(now))];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#nextOfChannels(), this.#requester.nextDeadline()]);
  }

  status(): KeyServerStatus {
    return {
      channels: this.#channels.size,
      waiting: this.#starts.size + this.#stops.size,
      answers: this.#answers.snapshot(),
      drops: this.#drops.snapshot(),
    };
  }

  #pollChannels(now: Instant): Effects {
    return [...this.#channels.values()].flatMap((channel) => {
      const due = channel.nextDeadline();
      return due !== undefined && due <= now ? this.#applied(channel, channel.poll(now)) : [];
    });
  }

  /** Looked up once for many key requests, which change no channel. */
  #nextOfChannels(): Instant | undefined {
    if (this.#channelsTouched) {
      this.#channelsDue = earliest([...this.#channels.values()].map((channel) => channel.nextDeadline()));
      this.#channelsTouched = false;
    }
    return this.#channelsDue;
  }

  #handle(now: Instant, event: KeyServerEvent): Effects {
    switch (event.kind) {
      case "message":
        return this.#heard(now, event.received);
      case "link":
        return event.up ? this.#up(now) : [];
      case "committed":
      case "failed":
        return this.#committed(now, event.token, event.kind);
      case "rekey":
        return this.#rekey(event.channel);
    }
  }

  #heard(now: Instant, received: Received): Effects {
    const { from, message, request } = received;
    switch (from.role) {
      case "settop":
        return request === undefined ? this.#drop("keys.message-unexpected") : this.#fromDevice(now, request);
      case "headend":
        return this.#fromHeadend(now, received);
      case "reception":
        if (!sameBytes(from.publicKey, this.#peers.reception.publicKey)) return this.#drop("keys.stranger");
        return message.type === "rekey.demand" && request !== undefined
          ? this.#demanded(request, message)
          : this.#answered(now, from, message);
      case "keyserver":
      case "router":
        return this.#drop("keys.stranger");
    }
  }

  #fromDevice(now: Instant, request: Request): Effects {
    switch (request.message.type) {
      case "key.request":
        return this.#keyRequest(now, request, request.message);
      case "stop":
        return this.#stop(now, request, request.message);
      default:
        return this.#drop("keys.message-unexpected");
    }
  }

  // 73 and 92.
  #keyRequest(now: Instant, request: Request, message: MessageOf<"key.request">): Effects {
    const key = nameOf(request.from, message);
    if (this.#stops.has(key)) return [this.#denied(request, "reception.ended")];
    if (this.#starts.join(key, request)) return [];
    if (this.#starts.size >= this.#limits.waiting) return [this.#busy(request, "load")];
    if (!this.#begun.admit(now, request.from.id, toHex(message.reception))) return [this.#busy(request, "load")];
    const channel = this.#channels.get(message.channel);
    const newest = channel?.kept && liveOf(channel.kept, channel.current(now)).at(-1);
    if (channel?.kept === undefined || newest === undefined) return [this.#busy(request, "no-epoch")];
    this.#starts.add(key, message.channel, request);
    const inquiry: Message = {
      type: "inquiry",
      id: newRequestId(this.#entropy),
      device: request.from.id,
      deviceKey: request.from.publicKey,
      channel: message.channel,
      reception: message.reception,
      reason: message.reason,
      epoch: newest.epoch,
      holdsFor: holdsFor(channel.kept.row, newest, this.#unix(now)),
    };
    return this.#ask(now, inquiry, `start ${key}`, after(now, INQUIRY_PATIENCE));
  }

  // 83. A request of the same reception that still waits is over too: its inquiry must not come after the stop report.
  #stop(now: Instant, request: Request, message: MessageOf<"stop">): Effects {
    const key = nameOf(request.from, message);
    if (this.#stops.join(key, request)) return [];
    // Not answered now: the device repeats a stop until it is acknowledged.
    if (this.#stops.size >= this.#limits.waiting) return this.#drop("keys.stop-unanswered");
    if (!this.#begun.admit(now, request.from.id, toHex(message.reception))) return this.#drop("keys.device-too-fast");
    const ended = this.#starts.take(key)?.requests ?? [];
    this.#requester.cancel(`start ${key}`);
    this.#stops.add(key, message.channel, request);
    const { channel, reception, cause, endedAgo } = message;
    const report: Message = {
      type: "stop.report",
      id: newRequestId(this.#entropy),
      device: request.from.id,
      deviceKey: request.from.publicKey,
      channel,
      reception,
      cause,
      ...(endedAgo === undefined ? {} : { endedAgo }),
    };
    const denials = ended.map((waiting) => this.#denied(waiting, "reception.ended"));
    return [...denials, ...this.#ask(now, report, `stop ${key}`, after(now, STOP_PATIENCE))];
  }

  #ask(now: Instant, message: Message, key: string, deadline: Instant): Effects {
    return this.#asked(this.#requester.ask(now, { to: this.#peers.reception, message, key, deadline }));
  }

  #asked(effects: readonly RequesterEffect[]): Effects {
    return effects.flatMap((effect): Effects => {
      if (effect.kind === "send") return [effect];
      const [way, key] = split(effect.key);
      if (way === "stop") {
        this.#stops.take(key);
        return this.#drop("keys.stop-unanswered");
      }
      const reason = effect.reason === "full" ? "load" : "reception-server";
      return (this.#starts.take(key)?.requests ?? []).map((request) => this.#busy(request, reason));
    });
  }

  // 75, 94, 85.
  #answered(now: Instant, from: Peer, message: Message): Effects {
    const matched = this.#requester.receive(now, from, message);
    if (typeof matched === "string") return this.#drop("keys.answer-unknown");
    const [way, key] = split(matched.key);
    return way === "stop" ? this.#stopAcknowledged(key) : this.#decided(now, key, matched);
  }

  #decided(now: Instant, key: string, { request: inquiry, answer }: Matched): Effects {
    const requests = this.#starts.take(key)?.requests ?? [];
    if (answer.type === "refusal") return requests.map((request) => this.#denied(request, answer.reason));
    return requests.map((request) => this.#granted(now, request, inquiry as InquiryMessage));
  }

  /** 76, 95: nothing newer than what was asked about, because the right may have ended since. */
  #granted(now: Instant, request: Request, inquiry: InquiryMessage): KeyServerEffect {
    const channel = this.#channels.get(inquiry.channel);
    const current = channel?.current(now);
    const live = channel?.kept === undefined ? [] : liveOf(channel.kept, current, inquiry.epoch);
    const newest = live.at(-1);
    if (channel?.kept === undefined || newest === undefined) return this.#busy(request, "no-epoch");
    const position = channel.position(now);
    return this.#answer(request, {
      type: "key.grant",
      id: request.message.id,
      channel: inquiry.channel,
      stream: streamOf(channel.kept.row),
      epochs: live.slice(-3).map(keyOf),
      current: current ?? newest.epoch,
      ...(position === undefined ? {} : { position }),
      refreshWithin: refreshWithin(channel.kept.row, newest, this.#unix(now)),
    });
  }

  // 86.
  #stopAcknowledged(key: string): Effects {
    return (this.#stops.take(key)?.requests ?? []).map((request) => {
      const { id, channel, reception } = request.message as MessageOf<"stop">;
      return this.#answer(request, { type: "stop.acknowledged", id, channel, reception });
    });
  }

  #denied(request: Request, reason: Denial): KeyServerEffect {
    const { id, channel } = request.message as MessageOf<"key.request">;
    this.#answers.count(reason);
    return this.#answer(request, { type: "key.denied", id, channel, reason, text: DENIALS[reason] });
  }

  #busy(request: Request, reason: keyof typeof RETRY_AFTER): KeyServerEffect {
    const { id, channel } = request.message as MessageOf<"key.request">;
    const least = RETRY_AFTER[reason];
    this.#answers.count(reason);
    const retryAfter = Math.round(least + this.#entropy.below(least));
    return this.#answer(request, { type: "key.busy", id, channel, reason, retryAfter });
  }

  #answer(request: Request, message: Message): KeyServerEffect {
    this.#answers.count(message.type);
    return { kind: "answer", request, message };
  }

  #fromHeadend(now: Instant, { from, message, request }: Received): Effects {
    switch (message.type) {
      case "epoch.proposal":
      case "epoch.wanted": {
        const { channel } = message.parameters;
        if (!this.#mayServe(from, channel)) return [this.#refusal(from, request, message.id, channel)];
        const keys = this.#channels.get(channel) ?? this.#newChannel(channel);
        if (keys === undefined) return this.#drop("keys.channels-full");
        return message.type === "epoch.proposal"
          ? this.#applied(keys, keys.propose(now, from, message, request))
          : this.#applied(keys, keys.want(now, from, message, request));
      }
      case "epoch.taken":
      case "stream.report": {
        const keys = this.#channels.get(message.channel);
        if (!this.#mayServe(from, message.channel)) return this.#drop("keys.stranger");
        if (keys === undefined) return this.#drop("keys.channel-unknown");
        return this.#applied(
          keys,
          message.type === "epoch.taken" ? keys.taken(now, from, message, request) : keys.report(now, message),
        );
      }
      default:
        return this.#drop("keys.message-unexpected");
    }
  }

  #mayServe(from: Peer, channel: string): boolean {
    const right = this.#peers.headend(from.id);
    if (right === undefined || !sameBytes(right.publicKey, from.publicKey)) return false;
    return right.channels?.includes(channel) ?? true;
  }

  #refusal(to: Peer, request: Request | undefined, id: Uint8Array, channel: string): KeyServerEffect {
    const message: Message = { type: "epoch.refused", id, channel, reason: "not-authorised", last: 0 };
    return request === undefined ? { kind: "send", to, message } : this.#answer(request, message);
  }

  #newChannel(channel: string): ChannelKeys | undefined {
    if (this.#channels.size >= this.#limits.channels) return undefined;
    const keys = this.#channelKeys(undefined);
    this.#channels.set(channel, keys);
    return keys;
  }

  #channelKeys(kept: KeptChannel | undefined): ChannelKeys {
    const headend = (id: string, channel: string): Peer | undefined => {
      const right = this.#peers.headend(id);
      if (right === undefined || right.channels?.includes(channel) === false) return undefined;
      return { role: "headend", id, publicKey: right.publicKey };
    };
    return new ChannelKeys({ calendar: this.#calendar, entropy: this.#entropy, headend }, kept);
  }

  /** A rekey demand is acknowledged when every channel of it has it on disk; until then the reception server repeats it. */
  #demanded(request: Request, { id, channels }: MessageOf<"rekey.demand">): Effects {
    const acknowledge = (): Effects => {
      this.#demands.set(toHex(id), true);
      return [this.#answer(request, { type: "rekey.demand.acknowledged", id })];
    };
    if (this.#demands.get(toHex(id)) === true) return acknowledge();
    let left = channels.length;
    const done = (): readonly ChannelEffect[] => (--left === 0 ? (acknowledge() as readonly ChannelEffect[]) : []);
    return channels.flatMap((channel): Effects => {
      const keys = this.#channels.get(channel);
      return keys === undefined ? (done() as Effects) : this.#applied(keys, keys.demand(done));
    });
  }

  #rekey(channel: string): Effects {
    const keys = this.#channels.get(channel);
    return keys === undefined
      ? this.#drop("keys.channel-unknown")
      : this.#applied(
          keys,
          keys.demand(() => []),
        );
  }

  #up(now: Instant): Effects {
    this.#requester.hurry(now);
    return [...this.#channels.values()].flatMap((keys) => this.#applied(keys, keys.renotice(now)));
  }

  #committed(now: Instant, token: number, kind: "committed" | "failed"): Effects {
    const keys = this.#commits.get(token);
    this.#commits.delete(token);
    if (keys === undefined) return [];
    if (kind === "committed") return this.#applied(keys, keys.committed(now));
    keys.failed(now);
    this.#channelsTouched = true;
    return this.#drop("keys.store");
  }

  /** Everything that changes a channel ends here. */
  #applied(keys: ChannelKeys, result: ChannelResult): Effects {
    this.#channelsTouched = true;
    if (typeof result === "string") return this.#drop(result);
    return result.map((effect): KeyServerEffect => {
      if (effect.kind !== "commit") return effect;
      this.#token += 1;
      this.#commits.set(this.#token, keys);
      return { ...effect, token: this.#token };
    });
  }

  #unix(now: Instant) {
    return unixTime(Math.round(this.#calendar.unix(now)));
  }

  #drop(drop: KeyServerDrop): Effects {
    this.#drops.count(drop);
    return [];
  }
}

/** One reception of one device: its copies and repetitions are one request. */
const nameOf = (from: Peer, { channel, reception }: { channel: string; reception: Uint8Array }): string =>
  `${from.id} ${toHex(from.publicKey)} ${channel} ${toHex(reception)}`;

function split(key: string | undefined): [way: string, key: string] {
  const at = key?.indexOf(" ") ?? -1;
  return key === undefined ? ["", ""] : [key.slice(0, at), key.slice(at + 1)];
}
