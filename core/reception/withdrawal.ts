// A subscriber is suspended or loses a package: what its devices may no longer receive is closed and gets a new key, as for a revoked
// device; otherwise they could go on until the end of a key that they already hold.
import type { UnixTime } from "../base/time.ts";
import { type AnyRow, type AnyRowQuery, type Conclusion, type Deciding, find, get } from "../ports/store.ts";
import { isEntitled, SUBSCRIBER_ROWS } from "./inquiry.ts";
import { decideEdit, type Edit, type EditOutcome } from "./registry.ts";
import { demands } from "./revocation.ts";
import { closing } from "./usage.ts";

/** The edits that take a right away from a subscriber. */
export type Withdrawal = Extract<Edit, { readonly kind: "subscriber.status" | "subscription.remove" }>;

/** Unless `edit` is "done" nothing was written. */
export interface WithdrawalOutcome {
  readonly edit: EditOutcome;
  /** Ids of the channels whose keys must change, sorted. */
  readonly channels: readonly string[];
}

/** The edit, the closed receptions (cause "operator") and the demands are one transaction. `heldSince`: see `decideRevocation`. */
export function* decideWithdrawal(
  { edit, keyservers, heldSince }: { edit: Withdrawal; keyservers: readonly string[]; heldSince: UnixTime },
  now: UnixTime,
): Deciding<WithdrawalOutcome> {
  const { outcome, writes }: Conclusion<EditOutcome> = yield* decideEdit(edit, now);
  if (outcome.kind !== "done" || (edit.kind === "subscriber.status" && edit.status === "active"))
    return { outcome: { edit: outcome, channels: [] }, writes };
  const subscriber = edit.kind === "subscriber.status" ? edit.id : edit.subscriber;
  const live = yield* find({ table: "live_reception", equal: { subscriber }, limit: SUBSCRIBER_ROWS });
  const range = { column: "until", since: heldSince } as const;
  const lately = yield* find({ table: "usage_record", equal: { subscriber }, range, limit: SUBSCRIBER_ROWS });
  const lost = yield* lostChannels(edit, [...new Set([...live, ...lately].map(({ channel }) => channel))].sort(), now);
  const ended = live.filter(({ channel }) => lost.includes(channel));
  return {
    outcome: { edit: outcome, channels: lost },
    writes: [
      ...writes,
      ...ended.flatMap((reception) => closing(reception, now, "operator")),
      ...(yield* demands(keyservers, lost, "revoked", now)),
    ],
  };
}

/** Of the channels watched, those that no other package holds. */
function* lostChannels(
  edit: Withdrawal,
  watched: readonly string[],
  now: UnixTime,
): Generator<AnyRowQuery, readonly string[], readonly AnyRow[]> {
  if (edit.kind === "subscriber.status") return watched;
  const lost: string[] = [];
  for (const channel of watched) {
    const inPackage = yield* get("package_channel", { package: edit.package, channel });
    if (inPackage === undefined || (yield* isEntitled(edit.subscriber, channel, now, edit.package))) continue;
    lost.push(channel);
  }
  return lost;
}
