// What a channel takes of its requester's effects.
import type { RequesterEffect } from "../control/requester.ts";
import type { ChannelEffect } from "./events.ts";

/** A channel asks one thing at a time and for ever: a request of its own that expires is our mistake. */
export function onlySends(effects: readonly RequesterEffect[]): readonly ChannelEffect[] {
  return effects.map((effect) => {
    if (effect.kind === "expired") throw new RangeError(`request ${effect.message.type} expired: ${effect.reason}`);
    return effect;
  });
}
