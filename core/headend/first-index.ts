// Where a started headend begins to count its packets.
import { fnv1a } from "../base/hash.ts";
import type { UnixTime } from "../base/time.ts";

/** 2024-01-01T00:00:00Z. */
const ORIGIN = 1_704_067_200_000;
/** Faster than any stream we carry (86 Mbit/s of 1316-octet packets): a restart never falls behind what was sent before. */
const PACKETS_PER_SECOND = 8192;

/**
 * The SRTP index of the first packet: it grows with the calendar, so that receivers that were there before a restart, whose replay
 * window belongs to the SSRC, see the stream go on ahead. No (key, SSRC, index) depends on it: the epoch is new as well. 48 bits
 * last for a thousand years.
 */
export const firstIndexAt = (time: UnixTime): number =>
  Math.max(0, Math.floor(((time - ORIGIN) / 1000) * PACKETS_PER_SECOND));

/** The SSRC of a channel that configures none: the same after every restart. */
export const ssrcOfChannel = (id: string): number => fnv1a(id);
