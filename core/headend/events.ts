// What a channel's machine at the headend hears and what it wants done.
import type { Duration } from "../base/time.ts";
import type { Request } from "../control/mailbox.ts";
import type { ChannelParameters, EpochKey, Message } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import type { StreamPosition } from "../stream/sender.ts";

/** What is fixed while the channel runs. */
export interface ChannelOptions {
  readonly parameters: ChannelParameters;
  /** Who makes the keys: the headend (claim 3) or the key server (claim 7). */
  readonly keys: "headend" | "key-server";
  /** Between the acknowledgement of an epoch and the switch to it: time for every set-top to ask. */
  readonly lead: Duration;
  /** The lead when the key server demands a new epoch, because a device has lost its right. */
  readonly shortestLead: Duration;
  readonly keyServer: Peer;
  /** Where the stream is, for the report of every second. */
  readonly position: () => StreamPosition;
}

/** What the machine hears. */
export type ChannelEvent =
  /** From the key server, opened and checked by the mailbox; `request` is there unless it is itself an answer. */
  | { readonly kind: "message"; readonly from: Peer; readonly message: Message; readonly request: Request | undefined }
  /** The broker is there and every subscription acknowledged, or it is gone. */
  | { readonly kind: "broker"; readonly up: boolean };

/** Why a channel has no key, or no new one. */
export type EpochAlarm =
  /** No epoch to start with, for 5 s: nothing is sent. */
  | "no-epoch"
  /** The interval is over and no new epoch is acknowledged: the old key goes on. */
  | "overdue"
  /** The key server does not let this headend serve the channel. */
  | "not-authorised"
  /** The epoch has reached 2^32 - 1. */
  | "epochs-exhausted";

/** What came in and was not used. */
export type ChannelDrop =
  | "headend.message-unexpected"
  | "headend.answer-unexpected"
  | "headend.answer-unknown"
  | "headend.offer-unusable"
  | "headend.offer-stale"
  /** Before the first epoch: it does not answer our question, so its key may be one that was used before a restart. */
  | "headend.offer-unasked"
  | "headend.demand-repeated"
  | "headend.stranger";

/** In the order they are to be applied. */
export type ChannelEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | { readonly kind: "answer"; readonly request: Request; readonly message: Message }
  /** Prepare the key of an epoch at the sender; it is overwritten after the switch. */
  | { readonly kind: "install"; readonly key: EpochKey }
  /** Every packet from now on under this epoch. */
  | { readonly kind: "switch"; readonly epoch: number }
  | { readonly kind: "alarm"; readonly alarm: EpochAlarm; readonly raised: boolean };

/** One channel of the headend, for `status`. Counts are since the start. */
export interface HeadendChannelStatus {
  readonly channel: string;
  /** The broker is there. */
  readonly broker: boolean;
  /** In use; undefined before the first. */
  readonly epoch: number | undefined;
  /** The epoch that waits for its acknowledgement or for its moment. */
  readonly next: number | undefined;
  /** Until the switch to it; undefined while it is not acknowledged. */
  readonly switchIn: Duration | undefined;
  readonly alarm: EpochAlarm | undefined;
  readonly switches: number;
  /** Proposals or questions that the key server has refused. */
  readonly refused: number;
  /** Epochs that the key server has demanded, because a device had lost its right. */
  readonly demanded: number;
  /** How often each alarm was raised. */
  readonly alarms: Record<string, number>;
  /** What came in and was not used, by `ChannelDrop`. */
  readonly drops: Record<string, number>;
}
