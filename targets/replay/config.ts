// The replay's configuration: the router interface that the capture is played to.
import * as v from "valibot";
import { seconds } from "../../core/base/time.ts";
import { checkTimes, type TimesConfig } from "../../core/igmp/times.ts";
import { ipv4Text } from "../shared/config.ts";

const interval = v.pipe(
  v.number(),
  v.transform((value) => seconds(value)),
);

/** Seconds and counts; what is left out has the default of RFC 3376 section 8. */
const times = v.pipe(
  v.strictObject({
    robustness: v.optional(v.number()),
    queryInterval: v.optional(interval),
    queryResponseInterval: v.optional(interval),
    startupQueryInterval: v.optional(interval),
    startupQueryCount: v.optional(v.number()),
    lastMemberQueryInterval: v.optional(interval),
    lastMemberQueryCount: v.optional(v.number()),
  }),
  v.transform((given): TimesConfig => Object.fromEntries(Object.entries(given).filter(([, set]) => set !== undefined))),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const fault of checkTimes(dataset.value)) addIssue({ message: fault });
  }),
);

/** Checked before the capture is opened; docs/configuration.md has every entry. */
export const replayConfig = v.strictObject({
  igmp: v.optional(
    v.strictObject({
      /** The router's own address in the capture: with it the router is a querier there; it never sends. */
      address: v.optional(ipv4Text),
      version: v.optional(v.picklist([1, 2, 3]), 3),
      times: v.optional(times, {}),
      requireRouterAlert: v.optional(v.boolean(), false),
    }),
    {},
  ),
});

/** What `replayConfig` gives. */
export type ReplayConfig = v.InferOutput<typeof replayConfig>;
