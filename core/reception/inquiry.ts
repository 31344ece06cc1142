// 74 and 93: may this device receive this channel now? The answer and the reception information are one transaction.
import { sameBytes } from "../base/bytes.ts";
import { type UnixTime, unixTime } from "../base/time.ts";
import type { Denial } from "../control/messages.ts";
import {
  type AnyRow,
  type AnyRowQuery,
  type Conclusion,
  type Deciding,
  find,
  get,
  type Write,
} from "../ports/store.ts";
import type { DeviceRow, LiveReceptionRow, SubscriberRow } from "../ports/tables.ts";
import { closing } from "./usage.ts";

/** Reads of one subscriber's rows stop here; nobody holds more packages or watches more channels. */
export const SUBSCRIBER_ROWS = 1024;

/** A key server asks whether a device may have the keys of a channel (74 for the first time, 93 at a change of key). */
export interface Inquiry {
  readonly device: string;
  /** X25519, 32 octets, as the key server heard the device use it. */
  readonly deviceKey: Uint8Array;
  readonly channel: string;
  /** 32 hexadecimal digits. */
  readonly reception: string;
  /** The newest epoch that the grant would hold: 0 to 2^32 - 1. */
  readonly epoch: number;
  /** Milliseconds from now on in which the device could use what the grant would hold. */
  readonly holdsFor: number;
}

/** `opened`: a reception began; otherwise one was renewed. A refusal leaves everything as it is. */
export type InquiryOutcome =
  | { readonly kind: "permitted"; readonly opened: boolean }
  | { readonly kind: "refused"; readonly reason: Denial };

const refused = (reason: Denial): Conclusion<InquiryOutcome> => ({ outcome: { kind: "refused", reason }, writes: [] });

/**
 * Permitted when the device is active with this key, its subscriber is active and holds a package with the channel now, the reception
 * has not ended, and the subscriber's limit allows one more. Another live reception of the same device and channel is closed as
 * "superseded". The refusals are in this order; the first that applies is the answer.
 */
export function* decideInquiry(inquiry: Inquiry, now: UnixTime): Deciding<InquiryOutcome> {
  const device = yield* get("device", { id: inquiry.device });
  if (device === undefined || !sameBytes(device.publicKey, inquiry.deviceKey)) return refused("device.unknown");
  if (device.status === "revoked") return refused("device.revoked");
  const subscriber = yield* get("subscriber", { id: device.subscriber });
  if (subscriber?.status !== "active") return refused("subscriber.inactive");
  if ((yield* get("channel", { id: inquiry.channel })) === undefined) return refused("channel.unknown");
  if (!(yield* isEntitled(subscriber.id, inquiry.channel, now))) return refused("not-entitled");
  if (yield* hasEnded(inquiry)) return refused("reception.ended");
  return yield* openOrRenew(inquiry, device, subscriber, now);
}

/** Whether a subscription that runs at `now` holds the channel. `without`: a package that is about to be taken away. */
export function* isEntitled(
  subscriber: string,
  channel: string,
  now: UnixTime,
  without?: string,
): Generator<AnyRowQuery, boolean, readonly AnyRow[]> {
  const held = yield* find({ table: "subscription", equal: { subscriber }, limit: SUBSCRIBER_ROWS });
  for (const subscription of held) {
    if (subscription.package === without) continue;
    if (subscription.from > now || (subscription.until !== undefined && subscription.until <= now)) continue;
    if ((yield* get("package_channel", { package: subscription.package, channel })) !== undefined) return true;
  }
  return false;
}

/** Also true when the id is in use on another device or channel: a reception id counts for one bill, once. */
function* hasEnded({ device, channel, reception }: Inquiry): Generator<AnyRowQuery, boolean, readonly AnyRow[]> {
  if ((yield* get("usage_record", { reception })) !== undefined) return true;
  const early = yield* get("early_stop", { device, channel });
  if (early?.reception === reception) return true;
  const live = (yield* find({ table: "live_reception", equal: { reception }, limit: 1 }))[0];
  return live !== undefined && (live.device !== device || live.channel !== channel);
}

function* openOrRenew(
  inquiry: Inquiry,
  device: DeviceRow,
  subscriber: SubscriberRow,
  now: UnixTime,
): Deciding<InquiryOutcome> {
  const lives = yield* find({ table: "live_reception", equal: { subscriber: subscriber.id }, limit: SUBSCRIBER_ROWS });
  const mine = yield* get("live_reception", { device: device.id, channel: inquiry.channel });
  const others = lives.filter((live) => live.device !== device.id || live.channel !== inquiry.channel);
  if (mine?.reception !== inquiry.reception && others.length >= (subscriber.concurrentLimit ?? SUBSCRIBER_ROWS))
    return refused("limit.concurrent");
  if (mine?.reception === inquiry.reception) {
    return { outcome: { kind: "permitted", opened: false }, writes: [putLive(renewed(mine, inquiry, now))] };
  }
  const writes: Write[] =
    mine === undefined ? [] : closing(mine, unixTime(Math.min(now, mine.heldUntil)), "superseded");
  writes.push(putLive(opened(inquiry, subscriber.id, now)));
  return { outcome: { kind: "permitted", opened: true }, writes };
}

const putLive = (row: LiveReceptionRow): Write => ({ put: "live_reception", row });

const opened = (inquiry: Inquiry, subscriber: string, now: UnixTime): LiveReceptionRow => ({
  device: inquiry.device,
  channel: inquiry.channel,
  reception: inquiry.reception,
  subscriber,
  since: now,
  firstEpoch: inquiry.epoch,
  epoch: inquiry.epoch,
  heldUntil: unixTime(now + inquiry.holdsFor),
  lastSeen: now,
});

/** An answer that carries less than an earlier one takes nothing back from the device, unless the calendar was set back since. */
const renewed = (live: LiveReceptionRow, inquiry: Inquiry, now: UnixTime): LiveReceptionRow => ({
  ...live,
  epoch: Math.max(live.epoch, inquiry.epoch),
  heldUntil: unixTime(Math.max(live.lastSeen > now ? 0 : live.heldUntil, now + inquiry.holdsFor)),
  lastSeen: now,
});
