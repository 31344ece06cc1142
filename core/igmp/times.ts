// The timers of RFC 3376 section 8, all derived from the few that may be configured.
import { type Duration, milliseconds, seconds } from "../base/time.ts";

/** What may be tuned; what is left out takes the default of the section named. */
export interface TimesConfig {
  /** 8.1: packets that may be lost; 1 to 7, default 2. */
  readonly robustness?: number;
  /** 8.2: default 125 s, 1 to 31744 s. */
  readonly queryInterval?: Duration;
  /** 8.3: default 10 s, 0.1 to 3174.4 s, less than the query interval. */
  readonly queryResponseInterval?: Duration;
  /** 8.6: default a quarter of the query interval. */
  readonly startupQueryInterval?: Duration;
  /** 8.7: default the robustness. */
  readonly startupQueryCount?: number;
  /** 8.8: default 1 s, 0.1 to 3174.4 s. */
  readonly lastMemberQueryInterval?: Duration;
  /** 8.9: default the robustness. */
  readonly lastMemberQueryCount?: number;
}

/** Every timer and counter of section 8, derived. Intervals are Durations, counts are whole numbers. */
export interface IgmpTimes {
  readonly robustness: number;
  readonly queryInterval: Duration;
  readonly queryResponseInterval: Duration;
  /** 8.4: how long a report counts. */
  readonly groupMembershipInterval: Duration;
  /** 8.5: how long another querier's last query keeps us silent. */
  readonly otherQuerierPresentInterval: Duration;
  readonly startupQueryInterval: Duration;
  readonly startupQueryCount: number;
  readonly lastMemberQueryInterval: Duration;
  readonly lastMemberQueryCount: number;
  /** 8.10: from a leave to the end of delivery when nobody answers. */
  readonly lastMemberQueryTime: Duration;
  /** 8.13: how long a v1 or v2 report keeps a group in that version's mode. */
  readonly olderHostPresentInterval: Duration;
}

/** Which rule of section 8 a configuration breaks. */
export type TimesFault =
  | "times.robustness"
  | "times.query-interval"
  | "times.query-response-interval"
  | "times.response-not-below-interval"
  | "times.startup-query-interval"
  | "times.startup-query-count"
  | "times.last-member-query-interval"
  | "times.last-member-query-count";

const LONGEST_INTERVAL = seconds(31744);
const SHORTEST_RESPONSE = milliseconds(100);
const LONGEST_RESPONSE = milliseconds(3_174_400);
const MOST_QUERIES = 255;

const within = (value: number, low: number, high: number): boolean => value >= low && value <= high;
const count = (value: number, most: number): boolean => Number.isInteger(value) && within(value, 1, most);

/** Every fault of a configuration at once; empty when `timesOf` will take it. */
export function checkTimes(config: TimesConfig): readonly TimesFault[] {
  const t = derive(config);
  const rules: readonly [boolean, TimesFault][] = [
    [count(t.robustness, 7), "times.robustness"],
    [within(t.queryInterval, 1000, LONGEST_INTERVAL), "times.query-interval"],
    [within(t.queryResponseInterval, SHORTEST_RESPONSE, LONGEST_RESPONSE), "times.query-response-interval"],
    // 8.3: the number of seconds represented must be less than the Query Interval.
    [t.queryResponseInterval < t.queryInterval, "times.response-not-below-interval"],
    [within(t.startupQueryInterval, SHORTEST_RESPONSE, LONGEST_INTERVAL), "times.startup-query-interval"],
    [count(t.startupQueryCount, MOST_QUERIES), "times.startup-query-count"],
    [within(t.lastMemberQueryInterval, SHORTEST_RESPONSE, LONGEST_RESPONSE), "times.last-member-query-interval"],
    [count(t.lastMemberQueryCount, MOST_QUERIES), "times.last-member-query-count"],
  ];
  return rules.filter(([holds]) => !holds).map(([, fault]) => fault);
}

/** All timers; throws RangeError when `checkTimes` finds a fault. */
export function timesOf(config: TimesConfig = {}): IgmpTimes {
  const faults = checkTimes(config);
  if (faults.length > 0) throw new RangeError(faults.join(", "));
  return derive(config);
}

function derive(config: TimesConfig): IgmpTimes {
  const robustness = config.robustness ?? 2;
  const queryInterval = config.queryInterval ?? seconds(125);
  const queryResponseInterval = config.queryResponseInterval ?? seconds(10);
  const lastMemberQueryInterval = config.lastMemberQueryInterval ?? seconds(1);
  const lastMemberQueryCount = config.lastMemberQueryCount ?? robustness;
  const membership = milliseconds(robustness * queryInterval + queryResponseInterval);
  return {
    robustness,
    queryInterval,
    queryResponseInterval,
    groupMembershipInterval: membership,
    otherQuerierPresentInterval: milliseconds(robustness * queryInterval + queryResponseInterval / 2),
    startupQueryInterval: config.startupQueryInterval ?? milliseconds(queryInterval / 4),
    startupQueryCount: config.startupQueryCount ?? robustness,
    lastMemberQueryInterval,
    lastMemberQueryCount,
    lastMemberQueryTime: milliseconds(lastMemberQueryInterval * lastMemberQueryCount),
    olderHostPresentInterval: membership,
  };
}

/**
 * What a non-querier uses: robustness and query interval of the querier's last query unless that says 0 (4.1.6, 4.1.7).
 * The answer is always valid; a response interval that no longer fits is kept below the new interval.
 */
export function adoptTimes(config: TimesConfig, robustness: number, queryInterval: Duration): TimesConfig {
  const interval = queryInterval > 0 ? queryInterval : (config.queryInterval ?? seconds(125));
  const response = Math.min(config.queryResponseInterval ?? seconds(10), interval / 2);
  return {
    ...config,
    queryInterval: interval,
    queryResponseInterval: milliseconds(response),
    ...(robustness > 0 ? { robustness } : {}),
  };
}
