import assert from "node:assert/strict";
import { test } from "node:test";
import { ipv4 } from "../base/ipv4.ts";
import { instant } from "../base/time.ts";
import { NO_SOURCE } from "../igmp/filter.ts";
import { EndedMemberships } from "./ended-memberships.ts";

test("the last 256 that ended are remembered, the latest first", () => {
  const ended = new EndedMemberships();
  assert.deepEqual(ended.recent(), []);
  for (let i = 0; i < 1000; i++)
    ended.note(
      instant(i),
      {
        host: { address: ipv4(i), mac: "", port: "" },
        group: ipv4(0xef000001),
        filter: NO_SOURCE,
        since: instant(0),
        lastSeen: instant(i),
        message: "leave",
        exact: false,
      },
      i % 2 === 0 ? "left" : "expired",
    );
  const recent = ended.recent();
  assert.deepEqual(
    [recent.length, recent[0]?.at, recent[0]?.cause, recent[1]?.cause, recent.at(-1)?.at],
    [256, 999, "expired", "left", 744],
  );
});
