// What a set-top says of itself when it is asked.
import { toHex } from "../base/bytes.ts";
import type { Duration, Instant } from "../base/time.ts";
import type { MembershipState } from "./membership.ts";
import type { StopStatus } from "./pending-stops.ts";
import type { KeyAnswer, Viewing } from "./viewing.ts";

/** One channel that is tuned to. */
export interface ViewingStatus {
  /** The channel's id. */
  readonly channel: string;
  /** Hexadecimal. */
  readonly reception: string;
  readonly membership: MembershipState;
  /** What the key server answered last. */
  readonly verdict: KeyAnswer;
  /** Held, rising: whoever wants to know asks here. */
  readonly epochs: readonly number[];
  /** How often the open key request has been sent; 0 when none is open. */
  readonly attempts: number;
  /** ms since it was tuned to. */
  readonly age: Duration;
}

/** The whole device. */
export interface SettopStatus {
  /** The broker is there. */
  readonly broker: boolean;
  readonly viewings: readonly ViewingStatus[];
  readonly pendingStops: readonly StopStatus[];
  /** What came in and was not used, by `SettopDrop`. */
  readonly drops: Record<string, number>;
}

/** Of one viewing, at `now`. */
export const statusOf = (now: Instant, viewing: Viewing): ViewingStatus => ({
  channel: viewing.channel.id,
  reception: toHex(viewing.reception),
  membership: viewing.membership,
  verdict: viewing.answer,
  epochs: viewing.epochs,
  attempts: viewing.attempts,
  age: viewing.age(now),
});
