// What the set-top machine hears and what it wants done. The patent's message numbers stand at each.
import type { Ipv4 } from "../base/ipv4.ts";
import type { EpochKey, Message, Notice, Position, StreamParameters } from "../control/messages.ts";
import type { JournalEntry } from "../ports/journal.ts";
import type { UnmanagedSender } from "./unmanaged.ts";

/** A channel this device may tune to; any-source without `source`, source-specific with it. */
export interface Channel {
  readonly id: string;
  readonly group: Ipv4;
  /** UDP. */
  readonly port: number;
  readonly source?: Ipv4;
  /** Its sender is not ours: no key is asked for, and no reception recorded. */
  readonly unmanaged?: UnmanagedSender;
}

/** What the data plane saw in a channel's stream. Epochs are uint32. */
export type StreamSign =
  /** The stream is under this epoch now: its first packet, and from then on most packets of a quarter of a second, opened under it. */
  | { readonly kind: "clear"; readonly epoch: number }
  /** With it: the sender counts its packets anew under this epoch, and packets of older ones are refused. */
  | { readonly kind: "began-anew"; readonly epoch: number }
  /** A packet came for an epoch that is not held. Anybody on the LAN can write one: a hint, no more. */
  | { readonly kind: "unknown-epoch"; readonly epoch: number }
  /** Packets do not open although their keys are held: the position must be wrong, or somebody writes to the group. */
  | { readonly kind: "position-lost" };

/** Commands, answers, and what the data plane and the broker report. `channel` is a channel's id. */
export type SettopEvent =
  | { readonly kind: "tune"; readonly channel: string }
  | { readonly kind: "stop"; readonly channel: string }
  /** Stops `from`, or everything when it is absent, and tunes to `channel`. */
  | { readonly kind: "zap"; readonly channel: string; readonly from?: string }
  /** Stops everything; `finished` follows when all stops are acknowledged. */
  | { readonly kind: "quit" }
  /** The configuration was read again; viewings of channels that are gone or have moved end. */
  | { readonly kind: "channels"; readonly channels: readonly Channel[] }
  /** 76, 86 or 95, opened and checked by the mailbox. */
  | { readonly kind: "answer"; readonly message: Message }
  /** 91, its signature verified by the endpoint; `retained` when the broker has kept it, perhaps for long. */
  | { readonly kind: "notice"; readonly notice: Notice; readonly retained?: boolean }
  /** The broker is there and every subscription acknowledged, or it is gone. */
  | { readonly kind: "broker"; readonly up: boolean }
  | { readonly kind: "joined"; readonly channel: string }
  | { readonly kind: "join-failed"; readonly channel: string; readonly why: string }
  | { readonly kind: "stream"; readonly channel: string; readonly sign: StreamSign };

/** Why a command was not done. */
export type Refusal =
  | "settop.unknown-channel"
  | "settop.already-tuned"
  | "settop.not-tuned"
  | "settop.too-many-channels"
  | "settop.quitting";

/** What came in and was not used. */
export type SettopDrop =
  | "settop.answer-unexpected"
  | "settop.message-unexpected"
  | "settop.grant-unusable"
  | "settop.notice-unwatched"
  | "settop.notice-stale"
  | "settop.stop-forgotten";

/** In the order they are to be applied. `channel` as a text is a channel's id. */
export type SettopEffect =
  /** 71: open a socket on the group and join it; `joined` or `join-failed` is the answer. */
  | { readonly kind: "join"; readonly channel: Channel }
  /** 81: leave the group and close the socket. */
  | { readonly kind: "leave"; readonly channel: Channel }
  /** Hear the notices (91) of a channel from now on, or no longer. */
  | { readonly kind: "watch"; readonly channel: string }
  | { readonly kind: "unwatch"; readonly channel: string }
  /** 73, 83 or 92, for the key server. */
  | { readonly kind: "send"; readonly message: Message }
  /** Everything that must survive a power cut, durable before the effects that follow. */
  | { readonly kind: "remember"; readonly entries: readonly JournalEntry[] }
  /** A receiver for these parameters; replaces the one before and its keys. */
  | { readonly kind: "receive"; readonly channel: string; readonly stream: StreamParameters }
  /** The same for a sender that is not ours, with its keys. */
  | { readonly kind: "receive-unmanaged"; readonly channel: string; readonly sender: UnmanagedSender }
  /** An epoch from now on; whoever installs the key overwrites its octets afterwards. */
  | { readonly kind: "install"; readonly channel: string; readonly key: EpochKey }
  /** Erase the key of an epoch. */
  | { readonly kind: "retire"; readonly channel: string; readonly epoch: number }
  /** Where the sender says its stream is. */
  | { readonly kind: "position"; readonly channel: string; readonly position: Position }
  /** Erase every key of the channel: nothing comes out until another `receive`. */
  | { readonly kind: "silence"; readonly channel: string }
  /** For the log. */
  | { readonly kind: "note"; readonly note: Note; readonly channel: string; readonly text: string }
  /** The answer to a command that was not done. */
  | { readonly kind: "refused"; readonly refusal: Refusal; readonly channel: string }
  /** After `quit`: every reception is closed and acknowledged. */
  | { readonly kind: "finished" };

/** What a person may want to read in the log. */
export type Note = "granted" | "denied" | "busy" | "reception-ended" | "stopped" | "acknowledged" | "join-failed";
