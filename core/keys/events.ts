// What the key server hears, what it wants done, what follows when that is on disk, and what it does not use.
import type { Duration, Instant } from "../base/time.ts";
import type { Received, Request } from "../control/mailbox.ts";
import type { Message, MessageOf, Notice } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import type { Decision } from "../ports/store.ts";

/** What the key server hears. */
export type KeyServerEvent =
  /** Opened and checked by the mailbox. */
  | { readonly kind: "message"; readonly received: Received }
  /** The broker has come or gone. */
  | { readonly kind: "broker"; readonly up: boolean }
  /**
   * What the effect `commit` asked for is on disk, or could not be put there: its channel and its `then` come back as
   * they were.
   */
  | { readonly kind: "committed" | "failed"; readonly channel: string; readonly then: Then }
  /** The operator wants a new key. */
  | { readonly kind: "rekey"; readonly channel: string };

/**
 * To be carried out in order and before the next event, as `Runner` does. Messages with keys (key.grant, epoch.offer)
 * lend the octets of the channel's record, which are overwritten when their epoch ends: whoever keeps such a message
 * beyond its effect copies them.
 */
export type KeyServerEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | { readonly kind: "answer"; readonly request: Request; readonly message: Message }
  /** 91: to be signed and published, retained. */
  | { readonly kind: "notice"; readonly notice: Notice }
  /** To be made durable; "committed" or "failed" must follow. At most one of a channel is outstanding. */
  | { readonly kind: "commit"; readonly channel: string; readonly then: Then; readonly decision: Decision<void> };

/** What follows once a change of a channel is on disk. */
export type Then =
  /** The headend's epoch is announced (claim 3): acceptance and notice. It switches `switchIn` after the acceptance. */
  | {
      readonly kind: "proposed";
      readonly acceptance: Acceptance;
      readonly switchIn: number;
      readonly position: MessageOf<"epoch.proposal">["position"];
    }
  /** An epoch made here waits for the headend (claim 7): it is offered. */
  | ({ readonly kind: "offered"; readonly epoch: number; readonly to: Correspondent } & OfferTerms)
  /**
   * The headend has the epoch that was made here: notice and acceptance, or the notice alone when it was not asked for.
   */
  | { readonly kind: "taken"; readonly switchAt: Instant; readonly acceptance: Acceptance | undefined }
  /**
   * Every epoch of the channel must go out of use. `demand` is the id of the reception server's message; the operator's
   * has none.
   */
  | { readonly kind: "demanded"; readonly demand: Uint8Array | undefined }
  /** Old epochs are gone: nothing follows. */
  | { readonly kind: "erased" };

/** Who spoke, and is answered. */
export interface Correspondent {
  readonly peer: Peer;
  /** Undefined when what is said to the peer is no answer to a request of its own. */
  readonly request: Request | undefined;
}

/** What "epoch.accepted" will say, and to whom. `id`: of the message that it answers. */
export interface Acceptance extends Correspondent {
  readonly id: Uint8Array;
  readonly epoch: number;
}

/** How an epoch is offered. */
export interface OfferTerms {
  /** The same in every repetition; of "epoch.wanted" when the offer answers one. */
  readonly id: Uint8Array;
  /** The headend switches this long after it has the offer. */
  readonly switchIn: Duration;
}

/** What happened to a message that a channel heard: effects, or why it was not used. */
export type ChannelResult = readonly KeyServerEffect[] | KeyServerDrop;

/** Why something that was heard was not used: a count of `status`, answered by nothing. */
export type KeyServerDrop =
  /** From somebody whose role may not say this. */
  | "keys.stranger"
  | "keys.message-unexpected"
  /** An answer that nothing waits for, most often a repeated one. */
  | "keys.answer-unknown"
  /** A report, or an epoch taken, of a channel or epoch that is not known. */
  | "keys.channel-unknown"
  | "keys.epoch-unknown"
  /** The channel's last change is not on disk yet: whoever asked asks again. */
  | "keys.committing"
  | "keys.channels-full"
  /** The store failed: nothing was answered. */
  | "keys.store"
  /** A stop of yet another reception, from a device that names them faster than anybody zaps: it repeats it. */
  | "keys.device-too-fast"
  /** The reception server did not acknowledge a stop in time: the device repeats it. */
  | "keys.stop-unanswered";

/** What a headend may do. */
export interface HeadendRight {
  /** X25519, 32 octets. */
  readonly publicKey: Uint8Array;
  /** Channels it may serve; absent: all. */
  readonly channels?: readonly string[];
}

/** Whom the key server serves; asked anew each time, so that the operator's changes count at once. */
export interface KeyServerPeers {
  readonly reception: Peer;
  /** Undefined for an id that is no headend of ours. */
  headend(id: string): HeadendRight | undefined;
}
