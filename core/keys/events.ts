// What the key server hears, what it wants done, and what it does not use.
import type { Received, Request } from "../control/link.ts";
import type { Message, Notice } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import type { Decision } from "../ports/store.ts";

export type KeyServerEvent =
  /** Opened and checked by the link. */
  | { readonly kind: "message"; readonly received: Received }
  | { readonly kind: "link"; readonly up: boolean }
  /** What `commit` asked for is on disk, or could not be put there. */
  | { readonly kind: "committed" | "failed"; readonly token: number }
  /** The operator wants a new key. */
  | { readonly kind: "rekey"; readonly channel: string };

export type KeyServerEffect =
  | { readonly kind: "send"; readonly to: Peer; readonly message: Message }
  | { readonly kind: "answer"; readonly request: Request; readonly message: Message }
  /** 91: to be signed and published, retained. */
  | { readonly kind: "notice"; readonly notice: Notice }
  /** To be made durable; "committed" or "failed" must follow. */
  | { readonly kind: "commit"; readonly token: number; readonly decision: Decision<void> };

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

export interface HeadendRight {
  readonly publicKey: Uint8Array;
  /** Channels it may serve; absent: all. */
  readonly channels?: readonly string[];
}

/** Whom the key server serves; asked anew each time, so that the operator's changes count at once. */
export interface KeyServerPeers {
  readonly reception: Peer;
  headend(id: string): HeadendRight | undefined;
}
