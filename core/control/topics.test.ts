import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../base/fuzz.testkit.ts";
import { isIdentifier } from "./messages.ts";
import { ROLES } from "./participant.ts";
import { filtersFor, formatTopic, parseTopic, shardOf, type Topic } from "./topics.ts";

const TOPICS: readonly (readonly [Topic, string])[] = [
  [{ kind: "keys.req", shard: 3, id: "box-1" }, "sealcast/1/keys/req/3/box-1"],
  [{ kind: "keys.res", id: "box-1" }, "sealcast/1/keys/res/box-1"],
  [{ kind: "reception.req", shard: 0, id: "keys" }, "sealcast/1/reception/req/0/keys"],
  [{ kind: "reception.res", id: "keys" }, "sealcast/1/reception/res/keys"],
  [{ kind: "headend.up", id: "head" }, "sealcast/1/headend/head/up"],
  [{ kind: "headend.down", id: "head" }, "sealcast/1/headend/head/down"],
  [{ kind: "router.membership", id: "r.12" }, "sealcast/1/router/r.12/membership"],
  [{ kind: "router.res", id: "r.12" }, "sealcast/1/router/r.12/res"],
  [{ kind: "notice", channel: "news", cohort: 0 }, "sealcast/1/notice/news/0"],
  [{ kind: "status", role: "settop", id: "box-1" }, "sealcast/1/status/settop/box-1"],
];

test("every topic reads back as it was written", () => {
  for (const [topic, text] of TOPICS) {
    assert.equal(formatTopic(topic), text);
    assert.deepEqual(parseTopic(text), topic);
  }
});

test("topic.unknown: another root, version, family, verb, role or number of levels", () => {
  const foreign = [
    "",
    "sealcast",
    "sealcast/1",
    "sealcast/1/",
    "sealcast/2/keys/res/box-1",
    "other/1/keys/res/box-1",
    "sealcast/1/keys/ask/0/box-1",
    "sealcast/1/keys/res",
    "sealcast/1/keys/res/a/b/c",
    "sealcast/1/headend/head/sideways",
    "sealcast/1/status/king/box-1",
    "sealcast/1/locks/req/0/box-1",
    `sealcast/1/keys/res/${"x".repeat(300)}`,
  ];
  for (const text of foreign) assert.equal(parseTopic(text), "topic.unknown", text);
});

test("topic.identifier: an id, shard or cohort that cannot be", () => {
  const wrong = [
    "sealcast/1/keys/res/",
    "sealcast/1/keys/res/..",
    "sealcast/1/keys/res/a b",
    "sealcast/1/keys/res/+",
    `sealcast/1/keys/res/${"x".repeat(65)}`,
    "sealcast/1/keys/req/x/box-1",
    "sealcast/1/keys/req/01/box-1",
    "sealcast/1/keys/req/10000/box-1",
    "sealcast/1/notice/news/-1",
    "sealcast/1/notice//0",
  ];
  for (const text of wrong) assert.equal(parseTopic(text), "topic.identifier", text);
});

test("an identifier has 1 to 64 letters, digits, dots, underscores or hyphens", () => {
  for (const text of ["a", "A1", "box-1.lan_2", "x".repeat(64)]) assert.equal(isIdentifier(text), true, text);
  for (const text of ["", "-a", ".", "a/b", "a+", "#", "ä", "x".repeat(65)])
    assert.equal(isIdentifier(text), false, text);
});

test("shards are even and the same everywhere", () => {
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 10_000; i++) {
    const shard = shardOf(`box-${i}`, 4);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(count > 2300 && count < 2700, String(counts));
  assert.equal(shardOf("box-1", 1), 0);
  // FNV-1a of "foobar" is 0xbf9cf968 (draft-eastlake-fnv).
  assert.equal(shardOf("foobar", 2 ** 32), 0xbf9cf968);
});

test("what a participant listens to are topics it can parse", () => {
  for (const role of ROLES)
    for (const filter of filtersFor(role, "me")) {
      const topic = filter.replace("#", "0/x").replace("+", "x");
      assert.notEqual(typeof parseTopic(topic), "string", topic);
    }
});

const MUTATED = "mutations of topics are parsed to what formats back to them, or dropped by name";

fuzz(MUTATED, { seed: 42, rounds: 50_000 }, ({ below, rounds }) => {
  const seen = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const text = TOPICS[below(TOPICS.length)]?.[1] ?? "";
    const at = below(text.length);
    const inserted = String.fromCharCode(...Array.from({ length: below(3) }, () => 32 + below(220)));
    const mutated = text.slice(0, at) + inserted + text.slice(at + below(4));
    const topic = parseTopic(mutated);
    seen.add(typeof topic === "string" ? topic : "parsed");
    if (typeof topic !== "string") assert.equal(formatTopic(topic), mutated);
  }
  assert.deepEqual([...seen].sort(), ["parsed", "topic.identifier", "topic.unknown"]);
});
