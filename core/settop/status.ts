// What a set-top says of itself when it is asked.
import { toHex } from "../base/bytes.ts";
import type { Duration, Instant } from "../base/time.ts";
import type { MembershipState } from "./membership.ts";
import type { StopStatus } from "./pending-stops.ts";
import type { Verdict, Viewing } from "./viewing.ts";

export interface ViewingStatus {
  readonly channel: string;
  /** Hexadecimal. */
  readonly reception: string;
  readonly membership: MembershipState;
  readonly verdict: Verdict;
  readonly epochs: readonly number[];
  /** How often the open key request has been sent; 0 when none is open. */
  readonly attempts: number;
  /** ms since it was tuned to. */
  readonly age: Duration;
}

export interface SettopStatus {
  readonly link: boolean;
  readonly viewings: readonly ViewingStatus[];
  readonly pendingStops: readonly StopStatus[];
  readonly drops: Record<string, number>;
}

export const statusOf = (now: Instant, viewing: Viewing): ViewingStatus => ({
  channel: viewing.channel.id,
  reception: toHex(viewing.reception),
  membership: viewing.membership,
  verdict: viewing.verdict,
  epochs: viewing.epochs,
  attempts: viewing.attempts,
  age: viewing.age(now),
});
