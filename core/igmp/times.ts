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
  /** The first query after a start: hosts answer within this, so that who receives is known soon; default 1 s, 0.1 to 3174.4 s. */
  readonly startupResponse?: Duration;
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
  readonly startupResponse: Duration;
  /** From the first start-up query until the last has been answered: whoever has been heard by then is everybody. */
  readonly startupTime: Duration;
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
  | "times.last-member-query-count"
  | "times.startup-response";

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
    [within(t.startupResponse, SHORTEST_RESPONSE, LONGEST_RESPONSE), "times.startup-response"],
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
  const startupQueryInterval = config.startupQueryInterval ?? milliseconds(queryInterval / 4);
  const startupQueryCount = config.startupQueryCount ?? robustness;
  const membership = milliseconds(robustness * queryInterval + queryResponseInterval);
  return {
    robustness,
    queryInterval,
    queryResponseInterval,
    groupMembershipInterval: membership,
    otherQuerierPresentInterval: milliseconds(robustness * queryInterval + queryResponseInterval / 2),
    startupQueryInterval,
    startupQueryCount,
    lastMemberQueryInterval,
    lastMemberQueryCount,
    lastMemberQueryTime: milliseconds(lastMemberQueryInterval * lastMemberQueryCount),
    olderHostPresentInterval: membership,
    startupResponse: config.startupResponse ?? shortest(queryResponseInterval, seconds(1)),
    startupTime: milliseconds((startupQueryCount - 1) * startupQueryInterval + queryResponseInterval),
  };
}

const shortest = (wait: Duration, most: Duration): Duration =>
  milliseconds(Math.max(SHORTEST_RESPONSE, Math.min(wait, most)));

/** What another querier may tell us: beyond, an interval of 31744 s would keep us silent for days. */
export const MAX_QUERY_INTERVAL: Duration = seconds(300);

/**
 * What a non-querier uses: robustness and query interval of the querier's last query unless that says 0 (4.1.6, 4.1.7), the interval
 * not beyond `longest` nor our own. The response interval is not told (8.3) and stays ours: when that querier is gone, whoever was
 * heard last has time to answer us.
 */
export function adoptTimes(
  config: TimesConfig,
  robustness: number,
  queryInterval: Duration,
  longest: Duration = MAX_QUERY_INTERVAL,
): IgmpTimes {
  const own = config.queryInterval ?? seconds(125);
  const interval = queryInterval > 0 ? milliseconds(Math.min(queryInterval, Math.max(longest, own))) : own;
  return derive({ ...config, queryInterval: interval, ...(robustness > 0 ? { robustness } : {}) });
}

/** For a busy machine, and a query that is lost on its way to a bridge. */
const LATE: Duration = seconds(60);

/**
 * How long no query comes on a link at most, in the order of things: a querier of our robustness that asks every `longest`, or every
 * query interval of ours where that is more, has asked for the last time, is given up (8.5), and we ask.
 */
export function longestSilence(config: TimesConfig, longest: Duration = MAX_QUERY_INTERVAL): Duration {
  const { otherQuerierPresentInterval } = adoptTimes(config, 0, LONGEST_INTERVAL, longest);
  return milliseconds(otherQuerierPresentInterval + LATE);
}
