// Housekeeping: receptions whose device fell silent lapse, what routers saw long ago goes. A few rows at a time.
import { type Duration, type UnixTime, unixTime } from "../base/time.ts";
import { type Deciding, find, type Write } from "../ports/store.ts";
import { closing } from "./usage.ts";

/** Rows that one sweep looks at; the next sweep follows at once while there are more. */
export const SWEEP_ROWS = 256;

/** What a sweep goes by; `ReceptionOptions` are such. */
export interface Sweep {
  /** A reception lapses when no inquiry has come by this long after the device's last key went out of use. */
  readonly grace: Duration;
  /** Closed rows of host tracking, what routers counted, and stops that found no reception, are kept this long. */
  readonly evidenceFor: Duration;
}

/** What one sweep did. */
export interface SweepOutcome {
  readonly kind: "swept";
  /** Receptions that this sweep closed. */
  readonly lapsed: number;
  /** There was more than one sweep looks at. */
  readonly more: boolean;
}

/** A silent reception ends at the moment its last key went out of use, not at the moment of the sweep. */
export function* decideSweep(sweep: Sweep, now: UnixTime): Deciding<SweepOutcome> {
  const writes: Write[] = [];
  const before = now - sweep.grace;
  const silent = yield* find({
    table: "live_reception",
    range: { column: "heldUntil", before },
    order: "heldUntil",
    limit: SWEEP_ROWS,
  });
  for (const live of silent) writes.push(...closing(live, live.heldUntil, "lapsed"));
  const old = unixTime(now - sweep.evidenceFor);
  const seen = yield* find({ table: "membership", range: { column: "until", before: old }, limit: SWEEP_ROWS });
  for (const { router, interface: name, host, group, since } of seen)
    writes.push({ delete: "membership", key: { router, interface: name, host, group, since } });
  const counts = yield* find({ table: "evidence_count", range: { column: "until", before: old }, limit: SWEEP_ROWS });
  for (const { router, process, sequence, position } of counts)
    writes.push({ delete: "evidence_count", key: { router, process, sequence, position } });
  const stops = yield* find({ table: "early_stop", range: { column: "at", before: old }, limit: SWEEP_ROWS });
  for (const { device, channel } of stops) writes.push({ delete: "early_stop", key: { device, channel } });
  const more = Math.max(silent.length, seen.length, counts.length, stops.length) === SWEEP_ROWS;
  return { outcome: { kind: "swept", lapsed: silent.length, more }, writes };
}
