// What headends ask and report (claims 3 and 7), each for the channels that it has a right to serve.
import { sameBytes } from "../base/bytes.ts";
import type { Instant } from "../base/time.ts";
import type { Received, Request } from "../control/link.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import type { Channels } from "./channels.ts";
import type { KeyServerEffect, KeyServerPeers } from "./events.ts";
import type { Tally } from "./tally.ts";

type Effects = readonly KeyServerEffect[];

/** The headend, when it may (still) serve the channel. */
export function servingHeadend(peers: KeyServerPeers, id: string, channel: string): Peer | undefined {
  const right = peers.headend(id);
  if (right === undefined || right.channels?.includes(channel) === false) return undefined;
  return { role: "headend", id, publicKey: right.publicKey };
}

export class HeadendRequests {
  readonly #peers: KeyServerPeers;
  readonly #channels: Channels;
  readonly #tally: Tally;

  constructor(peers: KeyServerPeers, channels: Channels, tally: Tally) {
    this.#peers = peers;
    this.#channels = channels;
    this.#tally = tally;
  }

  receive(now: Instant, { from, message, request }: Received): Effects {
    switch (message.type) {
      case "epoch.proposal":
      case "epoch.wanted":
        return this.#newEpoch(now, from, message, request);
      case "epoch.taken":
      case "stream.report":
        return this.#epochInUse(now, from, message, request);
      default:
        return this.#tally.drop("keys.message-unexpected");
    }
  }

  #newEpoch(
    now: Instant,
    from: Peer,
    message: MessageOf<"epoch.proposal"> | MessageOf<"epoch.wanted">,
    request: Request | undefined,
  ): Effects {
    const { channel } = message.parameters;
    if (!this.#mayServe(from, channel)) return [this.#refusal(from, request, message.id, channel)];
    const keys = this.#channels.getOrBegin(channel);
    if (keys === undefined) return this.#tally.drop("keys.channels-full");
    const result =
      message.type === "epoch.proposal"
        ? keys.propose(now, from, message, request)
        : keys.want(now, from, message, request);
    return this.#channels.applied(keys, result);
  }

  #epochInUse(
    now: Instant,
    from: Peer,
    message: MessageOf<"epoch.taken"> | MessageOf<"stream.report">,
    request: Request | undefined,
  ): Effects {
    if (!this.#mayServe(from, message.channel)) return this.#tally.drop("keys.stranger");
    const keys = this.#channels.get(message.channel);
    if (keys === undefined) return this.#tally.drop("keys.channel-unknown");
    const result = message.type === "epoch.taken" ? keys.taken(now, from, message, request) : keys.report(now, message);
    return this.#channels.applied(keys, result);
  }

  #mayServe(from: Peer, channel: string): boolean {
    const serving = servingHeadend(this.#peers, from.id, channel);
    return serving !== undefined && sameBytes(serving.publicKey, from.publicKey);
  }

  #refusal(to: Peer, request: Request | undefined, id: Uint8Array, channel: string): KeyServerEffect {
    const message: Message = { type: "epoch.refused", id, channel, reason: "not-authorised", last: 0 };
    return request === undefined ? { kind: "send", to, message } : this.#tally.answer(request, message);
  }
}
