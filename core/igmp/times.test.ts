import assert from "node:assert/strict";
import { test } from "node:test";
import { seconds } from "../base/time.ts";
import { adoptTimes, checkTimes, longestSilence, type TimesConfig, type TimesFault, timesOf } from "./times.ts";

test("RFC 3376 section 8: the defaults, in milliseconds (Linux bridge_vlan_mcast.sh asserts the same)", () => {
  assert.deepEqual(timesOf(), {
    robustness: 2,
    queryInterval: 125_000,
    queryResponseInterval: 10_000,
    groupMembershipInterval: 260_000,
    otherQuerierPresentInterval: 255_000,
    startupQueryInterval: 31_250,
    startupQueryCount: 2,
    lastMemberQueryInterval: 1_000,
    lastMemberQueryCount: 2,
    lastMemberQueryTime: 2_000,
    olderHostPresentInterval: 260_000,
    startupResponse: 1_000,
    startupTime: 41_250,
  });
});

test("everything that is not set follows the robustness and the query interval", () => {
  const times = timesOf({ robustness: 3, queryInterval: seconds(60) });
  assert.equal(times.groupMembershipInterval, 190_000);
  assert.equal(times.otherQuerierPresentInterval, 185_000);
  assert.equal(times.startupQueryInterval, 15_000);
  assert.equal(times.startupQueryCount, 3);
  assert.equal(times.lastMemberQueryTime, 3_000);
});

const FAULTS: readonly [TimesConfig, TimesFault][] = [
  [{ robustness: 0, startupQueryCount: 2, lastMemberQueryCount: 2 }, "times.robustness"],
  [{ robustness: 8 }, "times.robustness"],
  [{ robustness: 1.5, startupQueryCount: 2, lastMemberQueryCount: 2 }, "times.robustness"],
  [{ queryInterval: seconds(40_000) }, "times.query-interval"],
  [{ queryResponseInterval: seconds(0.05) }, "times.query-response-interval"],
  [{ queryResponseInterval: seconds(125) }, "times.response-not-below-interval"],
  [{ startupQueryInterval: seconds(0) }, "times.startup-query-interval"],
  [{ startupQueryCount: 0 }, "times.startup-query-count"],
  [{ lastMemberQueryInterval: seconds(4_000) }, "times.last-member-query-interval"],
  [{ lastMemberQueryCount: -1 }, "times.last-member-query-count"],
  [{ startupResponse: seconds(0) }, "times.startup-response"],
];

for (const [config, fault] of FAULTS) {
  test(`${JSON.stringify(config)} has the fault ${fault}`, () => {
    assert.deepEqual(checkTimes(config), [fault]);
    assert.throws(() => timesOf(config), RangeError);
  });
}

test("all faults are told at once, and NaN is one", () => {
  const faults = checkTimes({ queryInterval: seconds(Number.NaN), startupQueryCount: 0 });
  assert.ok(faults.includes("times.query-interval") && faults.includes("times.startup-query-count"));
});

test("RFC 3376 4.1.6 and 4.1.7: a non-querier adopts what the query tells, and its own where that is 0", () => {
  const adopted = adoptTimes({}, 3, seconds(60));
  assert.equal(adopted.robustness, 3);
  assert.equal(adopted.groupMembershipInterval, 190_000);
  assert.deepEqual(adoptTimes({}, 0, seconds(0)), timesOf());
});

test("on a link nobody asks for a minute longer than the slowest querier is waited for, whoever that may be, or we", () => {
  assert.equal(longestSilence({}), 2 * 300_000 + 5_000 + 60_000);
  assert.equal(longestSilence({}, seconds(60)), 2 * 125_000 + 5_000 + 60_000);
  assert.equal(longestSilence({ queryInterval: seconds(600), robustness: 1 }), 600_000 + 5_000 + 60_000);
});

test("what another querier tells keeps us silent for a known time at most, and is never shorter than hosts take to answer us", () => {
  const longest = adoptTimes({}, 7, seconds(31_744));
  assert.equal(longest.otherQuerierPresentInterval, 7 * 300_000 + 5_000);
  assert.equal(adoptTimes({}, 2, seconds(31_744), seconds(60)).queryInterval, 125_000, "not less than our own");
  assert.equal(adoptTimes({ queryInterval: seconds(600) }, 1, seconds(31_744)).queryInterval, 600_000);
  const shortest = adoptTimes({}, 1, seconds(1));
  assert.equal(shortest.otherQuerierPresentInterval, 6_000);
  assert.equal(shortest.groupMembershipInterval, 11_000);
});
