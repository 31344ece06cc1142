// What a request says of the position before any packet has been sent.
import type { EpochClock } from "./epoch-clock.ts";
import type { ChannelOptions } from "./events.ts";

/** Before the first switch a request says where the stream will begin: the first grants go out before a report can come. */
export function startOf({ position }: ChannelOptions, clock: EpochClock): { position?: { roc: number; seq: number } } {
  if (clock.epoch !== undefined) return {};
  const { roc, seq } = position();
  return { position: { roc, seq } };
}
