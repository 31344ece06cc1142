// A live reception becomes its usage record: both writes, always together.
import { type UnixTime, unixTime } from "../base/time.ts";
import type { Write } from "../ports/store.ts";
import type { LiveReceptionRow, UsageCause } from "../ports/tables.ts";

/** The writes of one ended reception. The record is never shorter than nothing, also when the calendar was set back. */
export function closing(live: LiveReceptionRow, until: UnixTime, cause: UsageCause): Write[] {
  const { reception, device, subscriber, channel, since, firstEpoch, epoch } = live;
  const record = { reception, device, subscriber, channel, since, cause, firstEpoch, lastEpoch: epoch };
  return [
    { delete: "live_reception", key: { device, channel } },
    { put: "usage_record", row: { ...record, until: unixTime(Math.max(since, until)) } },
  ];
}
