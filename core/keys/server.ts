// The key server (claims 4 and 7): keys of channels in, key requests answered after an inquiry, stops passed on and
// acknowledged. Here is who may say what; how a key comes into use is explained in handshake.ts.
import { sameBytes } from "../base/bytes.ts";
import type { Machine } from "../base/machine.ts";
import { earliest, type Instant } from "../base/time.ts";
import type { Received } from "../control/mailbox.ts";
import type { Message } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { HeadendMessage } from "./channel.ts";
import { Channels } from "./channels.ts";
import { type CountsSnapshot, KeyServerCounts } from "./counts.ts";
import { DeviceRequests } from "./device-requests.ts";
import type { KeptChannel } from "./epochs.ts";
import type { Correspondent, KeyServerEffect, KeyServerEvent, KeyServerPeers, Then } from "./events.ts";
import { RekeyDemands } from "./rekey-demands.ts";

/** How much of the outside world the server takes on at once. */
export interface KeyServerLimits {
  /** Channels known at once; beyond, a new one is dropped as "keys.channels-full". */
  readonly channels: number;
  /**
   * Key requests, and as many stops, that wait for the reception server at once; beyond, a request is answered "busy".
   */
  readonly waiting: number;
}

/** More than one machine serves. */
export const KEY_SERVER_LIMITS: KeyServerLimits = { channels: 4096, waiting: 20_000 };

type Effects = readonly KeyServerEffect[];

/** The channels that are known, the receptions that wait for the reception server, and the counts since the start. */
export interface KeyServerStatus extends CountsSnapshot {
  readonly channels: number;
  readonly waiting: number;
}

/**
 * The machine of a key server. Its owner carries out the effects in order, makes each commit durable and brings back what
 * became of it; messages come opened and authenticated, and whether their sender may say them is decided here.
 */
export class KeyServer implements Machine<KeyServerEvent, KeyServerEffect> {
  readonly #peers: KeyServerPeers;
  readonly #counts = new KeyServerCounts();
  readonly #channels: Channels;
  readonly #devices: DeviceRequests;
  readonly #demands: RekeyDemands;

  /** `kept` is what the store holds: `keptChannels` puts its rows together. */
  constructor(
    peers: KeyServerPeers,
    calendar: Calendar,
    entropy: Entropy,
    kept: readonly KeptChannel[] = [],
    limits = KEY_SERVER_LIMITS,
  ) {
    const counts = this.#counts;
    const headend = (id: string, channel: string) => servingHeadend(peers, id, channel);
    const channels = new Channels({ calendar, entropy, headend }, counts, limits.channels, kept);
    this.#peers = peers;
    this.#channels = channels;
    this.#devices = new DeviceRequests({ peers, calendar, entropy, channels, counts }, limits.waiting);
    this.#demands = new RekeyDemands(channels, counts);
  }

  receive(now: Instant, event: KeyServerEvent): Effects {
    return [...this.#handle(now, event), ...this.poll(now)];
  }

  poll(now: Instant): Effects {
    return [...this.#channels.poll(now), ...this.#devices.poll(now)];
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#channels.nextDeadline(), this.#devices.nextDeadline()]);
  }

  status(): KeyServerStatus {
    return { channels: this.#channels.size, waiting: this.#devices.waiting, ...this.#counts.snapshot() };
  }

  #handle(now: Instant, event: KeyServerEvent): Effects {
    switch (event.kind) {
      case "message":
        return this.#heard(now, event.received);
      case "broker":
        return event.up ? this.#up(now) : [];
      case "committed":
        return this.#committed(now, event.channel, event.then);
      case "failed":
        return this.#channels.failed(now, event.channel, event.then);
      case "rekey":
        return this.#demands.rekey(event.channel);
    }
  }

  #heard(now: Instant, received: Received): Effects {
    const { from, request } = received;
    switch (from.role) {
      case "settop":
        return request === undefined
          ? this.#counts.drop("keys.message-unexpected")
          : this.#devices.receive(now, request);
      case "headend":
        return this.#fromHeadend(now, received);
      case "reception":
        return this.#fromReception(now, received);
      case "keyserver":
      case "router":
        return this.#counts.drop("keys.stranger");
    }
  }

  /** Each for the channels that it has a right to serve. */
  #fromHeadend(now: Instant, { from, message, request }: Received): Effects {
    const speaker = { peer: from, request };
    switch (message.type) {
      case "epoch.proposal":
      case "epoch.wanted":
        return this.#newEpoch(now, speaker, message);
      case "epoch.taken":
      case "stream.report":
        return this.#epochInUse(now, speaker, message);
      default:
        return this.#counts.drop("keys.message-unexpected");
    }
  }

  #newEpoch(
    now: Instant,
    speaker: Correspondent,
    message: HeadendMessage & { type: "epoch.proposal" | "epoch.wanted" },
  ): Effects {
    const { channel } = message.parameters;
    if (!this.#mayServe(speaker.peer, channel)) return [this.#refusal(speaker, message.id, channel)];
    const keys = this.#channels.getOrBegin(channel);
    if (keys === undefined) return this.#counts.drop("keys.channels-full");
    return this.#channels.applied(keys.receive(now, speaker, message));
  }

  #epochInUse(
    now: Instant,
    speaker: Correspondent,
    message: HeadendMessage & { type: "epoch.taken" | "stream.report" },
  ): Effects {
    if (!this.#mayServe(speaker.peer, message.channel)) return this.#counts.drop("keys.stranger");
    const keys = this.#channels.get(message.channel);
    if (keys === undefined) return this.#counts.drop("keys.channel-unknown");
    return this.#channels.applied(keys.receive(now, speaker, message));
  }

  #mayServe(from: Peer, channel: string): boolean {
    const serving = servingHeadend(this.#peers, from.id, channel);
    return serving !== undefined && sameBytes(serving.publicKey, from.publicKey);
  }

  #refusal({ peer, request }: Correspondent, id: Uint8Array, channel: string): KeyServerEffect {
    const message: Message = { type: "epoch.refused", id, channel, reason: "not-authorised", last: 0 };
    return request === undefined ? { kind: "send", to: peer, message } : this.#counts.answer(request, message);
  }

  #fromReception(now: Instant, { from, message, request }: Received): Effects {
    if (!sameBytes(from.publicKey, this.#peers.reception.publicKey)) return this.#counts.drop("keys.stranger");
    return message.type === "rekey.demand" && request !== undefined
      ? this.#demands.receive(request, message)
      : this.#devices.answered(now, from, message);
  }

  #committed(now: Instant, channel: string, then: Then): Effects {
    const effects = this.#channels.committed(now, channel, then);
    if (then.kind !== "demanded" || then.demand === undefined) return effects;
    return [...effects, ...this.#demands.onDisk(then.demand, channel)];
  }

  #up(now: Instant): Effects {
    this.#devices.hurry(now);
    return this.#channels.renotice(now);
  }
}

/** The headend, when it may (still) serve the channel. */
function servingHeadend(peers: KeyServerPeers, id: string, channel: string): Peer | undefined {
  const right = peers.headend(id);
  if (right === undefined || right.channels?.includes(channel) === false) return undefined;
  return { role: "headend", id, publicKey: right.publicKey };
}
