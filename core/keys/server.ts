// The key server (claims 4 and 7): keys of channels in, key requests answered after an inquiry, stops passed on and acknowledged.
import { sameBytes } from "../base/bytes.ts";
import type { Machine } from "../base/machine.ts";
import { earliest, type Instant } from "../base/time.ts";
import type { Received } from "../control/link.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import { Channels } from "./channels.ts";
import { DeviceRequests } from "./device-requests.ts";
import type { KeyServerEffect, KeyServerEvent, KeyServerPeers } from "./events.ts";
import { HeadendRequests, servingHeadend } from "./headend-requests.ts";
import type { KeptChannel } from "./kept-channel.ts";
import { RekeyDemands } from "./rekey-demands.ts";
import { Tally } from "./tally.ts";

export interface KeyServerLimits {
  readonly channels: number;
  /** Key requests and stops that wait for the reception server at once; beyond, a request is answered "busy". */
  readonly waiting: number;
}

export const KEY_SERVER_LIMITS: KeyServerLimits = { channels: 4096, waiting: 20_000 };

type Effects = readonly KeyServerEffect[];

export interface KeyServerStatus {
  readonly channels: number;
  readonly waiting: number;
  readonly answers: Record<string, number>;
  readonly drops: Record<string, number>;
}

export class KeyServer implements Machine<KeyServerEvent, KeyServerEffect> {
  readonly #peers: KeyServerPeers;
  readonly #tally = new Tally();
  readonly #channels: Channels;
  readonly #devices: DeviceRequests;
  readonly #headends: HeadendRequests;
  readonly #demands: RekeyDemands;

  /** `kept` is what the store holds: `keptChannels` puts its rows together. */
  constructor(
    peers: KeyServerPeers,
    calendar: Calendar,
    entropy: Entropy,
    kept: readonly KeptChannel[] = [],
    limits = KEY_SERVER_LIMITS,
  ) {
    const tally = this.#tally;
    const headend = (id: string, channel: string) => servingHeadend(peers, id, channel);
    const channels = new Channels({ calendar, entropy, headend }, tally, limits.channels, kept);
    this.#peers = peers;
    this.#channels = channels;
    this.#devices = new DeviceRequests({ peers, calendar, entropy, channels, tally }, limits.waiting);
    this.#headends = new HeadendRequests(peers, channels, tally);
    this.#demands = new RekeyDemands(channels, tally);
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
    return { channels: this.#channels.size, waiting: this.#devices.waiting, ...this.#tally.snapshot() };
  }

  #handle(now: Instant, event: KeyServerEvent): Effects {
    switch (event.kind) {
      case "message":
        return this.#heard(now, event.received);
      case "link":
        return event.up ? this.#up(now) : [];
      case "committed":
      case "failed":
        return this.#channels.settled(now, event.token, event.kind);
      case "rekey":
        return this.#demands.rekey(event.channel);
    }
  }

  #heard(now: Instant, received: Received): Effects {
    const { from, request } = received;
    switch (from.role) {
      case "settop":
        return request === undefined
          ? this.#tally.drop("keys.message-unexpected")
          : this.#devices.receive(now, request);
      case "headend":
        return this.#headends.receive(now, received);
      case "reception":
        return this.#fromReception(now, received);
      case "keyserver":
      case "router":
        return this.#tally.drop("keys.stranger");
    }
  }

  #fromReception(now: Instant, { from, message, request }: Received): Effects {
    if (!sameBytes(from.publicKey, this.#peers.reception.publicKey)) return this.#tally.drop("keys.stranger");
    return message.type === "rekey.demand" && request !== undefined
      ? this.#demands.receive(request, message)
      : this.#devices.answered(now, from, message);
  }

  #up(now: Instant): Effects {
    this.#devices.hurry(now);
    return this.#channels.renotice(now);
  }
}
