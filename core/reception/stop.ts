// 84: the reception ends. The live row goes and the usage record comes in one transaction; repeats find the record.
import { sameBytes } from "../base/bytes.ts";
import { type UnixTime, unixTime } from "../base/time.ts";
import { type Deciding, get } from "../ports/store.ts";
import type { LiveReceptionRow } from "../ports/tables.ts";
import { closing } from "./usage.ts";

/** A device says, through its key server, that its reception has ended. */
export interface Stop {
  readonly device: string;
  /** X25519, 32 octets, as the key server heard the device use it. */
  readonly deviceKey: Uint8Array;
  readonly channel: string;
  /** 32 hexadecimal digits. */
  readonly reception: string;
  /** power-lost: told at the next start; the end is not known better than by its last key. */
  readonly cause: "stopped" | "power-lost";
  /** Milliseconds since the end, as the device counts. */
  readonly endedAgo?: number | undefined;
}

/** What the acknowledgement (85, 86) says. */
export interface StopOutcome {
  readonly kind: "stopped";
  /** written: by this stop. earlier: the record was there. none: the reception never was, as far as is known. */
  readonly record: "written" | "earlier" | "none";
}

/** Without a reception of this name the stop itself is kept, so that an inquiry that comes after its own stop opens nothing. */
export function* decideStop(stop: Stop, now: UnixTime): Deciding<StopOutcome> {
  const known = yield* get("device", { id: stop.device });
  if (known === undefined || !sameBytes(known.publicKey, stop.deviceKey)) return without("none");
  const { device, channel, reception } = stop;
  const live = yield* get("live_reception", { device, channel });
  if (live?.reception === reception) {
    return {
      outcome: { kind: "stopped", record: "written" },
      writes: closing(live, endOf(live, stop, now), "stopped"),
    };
  }
  const record = yield* get("usage_record", { reception });
  if (record?.device === device && record.channel === channel) return without("earlier");
  // Of a channel that is none nothing can be opened later, and rows must not be named by devices.
  if ((yield* get("channel", { id: channel })) === undefined) return without("none");
  const row = { device, channel, reception, at: now };
  return { outcome: { kind: "stopped", record: "none" }, writes: [{ put: "early_stop", row }] };
}

const without = (record: "earlier" | "none") => ({ outcome: { kind: "stopped" as const, record }, writes: [] });

/** What the device says of its end, within what is known: not before it last asked, not after now, nor after its last key when it lost power. */
function endOf(live: LiveReceptionRow, stop: Stop, now: UnixTime): UnixTime {
  const said = now - (stop.endedAgo ?? 0);
  const latest = stop.cause === "power-lost" ? Math.min(now, live.heldUntil) : now;
  return unixTime(Math.max(live.since, live.lastSeen, Math.min(said, latest)));
}
