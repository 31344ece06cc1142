// What one channel wants done, and its answers to the headend.
import type { Request } from "../control/link.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import type { Decision } from "../ports/store.ts";
import type { KeyServerDrop, KeyServerEffect } from "./events.ts";

/** The key server gives a commit its token. */
export type ChannelEffect =
  | Exclude<KeyServerEffect, { kind: "commit" }>
  | { readonly kind: "commit"; readonly decision: Decision<void> };

export type ChannelResult = readonly ChannelEffect[] | KeyServerDrop;

export const reply = (to: Peer, request: Request | undefined, message: Message): ChannelEffect =>
  request === undefined ? { kind: "send", to, message } : { kind: "answer", request, message };

export const accepted = (id: Uint8Array, channel: string, epoch: number): Message => ({
  type: "epoch.accepted",
  id,
  channel,
  epoch,
});

/** `last`: the newest epoch number that is used up. */
export const stale = (
  { id, parameters }: MessageOf<"epoch.proposal"> | MessageOf<"epoch.wanted">,
  last: number,
): Message => ({ type: "epoch.refused", id, channel: parameters.channel, reason: "stale", last });
