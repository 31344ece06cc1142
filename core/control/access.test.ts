import assert from "node:assert/strict";
import { test } from "node:test";
import { accessOf, covers, mayPublish, mayRetain, maySubscribe, mosquittoAcl } from "./access.ts";
import { ROLES } from "./participant.ts";
import { filtersFor, formatTopic, noticeFilter } from "./topics.ts";

test("covers follows MQTT 3.1.1 section 4.7", () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ["a/b", "a/b", true],
    ["a/b", "a/c", false],
    ["a/+", "a/b", true],
    ["a/+", "a/+", true],
    ["a/+", "a/#", false],
    ["a/+", "a", false],
    ["a/+", "a/b/c", false],
    ["a/#", "a/b/c", true],
    ["a/#", "a/+/c", true],
    ["a/#", "a/#", true],
    ["a/#", "a", true],
    ["a/b", "a/+", false],
    ["#", "+/b", true],
  ];
  for (const [allowed, filter, expected] of rows)
    assert.equal(covers(allowed, filter), expected, `${allowed} ${filter}`);
});

test("every role may subscribe to what it listens to", () => {
  for (const role of ROLES)
    for (const filter of filtersFor(role, "me")) assert.equal(maySubscribe(accessOf(role, "me"), filter), true, filter);
  assert.equal(maySubscribe(accessOf("settop", "me"), noticeFilter("news")), true);
});

test("a set-top asks and answers for itself only", () => {
  const access = accessOf("settop", "box-1");
  assert.equal(mayPublish(access, formatTopic({ kind: "keys.req", shard: 0, id: "box-1" })), true);
  assert.equal(mayPublish(access, formatTopic({ kind: "keys.req", shard: 0, id: "box-2" })), false);
  assert.equal(mayPublish(access, formatTopic({ kind: "keys.res", id: "box-1" })), false);
  assert.equal(mayPublish(access, formatTopic({ kind: "notice", channel: "news", cohort: 0 })), false);
  assert.equal(mayPublish(access, formatTopic({ kind: "status", role: "keyserver", id: "box-1" })), false);
  assert.equal(maySubscribe(access, formatTopic({ kind: "keys.res", id: "box-2" })), false);
  assert.equal(maySubscribe(access, "sealcast/1/keys/res/+"), false);
});

test("a name with a wildcard in it opens nothing", () => {
  assert.equal(
    mayPublish(accessOf("settop", "+"), "sealcast/1/keys/req/0/box-2"),
    true,
    "which is why names are checked",
  );
  assert.equal(mayPublish(accessOf("settop", "box-1"), "sealcast/1/keys/req/0/+"), false);
});

test("a shared subscription is never allowed, not even of one's own topics", () => {
  assert.equal(maySubscribe(accessOf("keyserver", "keys"), "$share/ks/sealcast/1/keys/req/#"), false);
});

test("only status and notices may be retained", () => {
  assert.equal(mayRetain("sealcast/1/status/settop/box-1"), true);
  assert.equal(mayRetain("sealcast/1/notice/news/0"), true);
  assert.equal(mayRetain("sealcast/1/keys/res/box-1"), false);
  assert.equal(mayRetain("elsewhere"), false);
});

test("Mosquitto's file has set-tops by pattern and services by name", () => {
  const lines = mosquittoAcl([{ role: "headend", id: "head" }]).split("\n");
  assert.ok(lines.includes("pattern write sealcast/1/keys/req/+/%u"));
  assert.ok(lines.includes("pattern read sealcast/1/keys/res/%u"));
  const user = lines.indexOf("user head");
  assert.ok(user > 0);
  assert.deepEqual(lines.slice(user + 1, user + 4), [
    "topic write sealcast/1/headend/head/up",
    "topic write sealcast/1/status/headend/head",
    "topic read sealcast/1/headend/head/down",
  ]);
});
