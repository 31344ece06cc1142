import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { accessOf, mosquittoAcl } from "./access.ts";
import { ROLES, type Role } from "./participant.ts";
import { RouteTable } from "./route-table.ts";
import { ROUTES, type Route, type Routes } from "./routes.ts";
import { filtersFor, noticeFilter, ROUTE_TABLE } from "./topics.ts";

interface Kept {
  readonly roles: Readonly<Record<Role, { filters: string[]; publish: string[]; subscribe: string[] }>>;
  readonly notices: string;
  readonly acl: readonly string[];
}

const kept = JSON.parse(readFileSync("core/control/vectors/access.json", "utf8")) as Kept;

test("filters, access and Mosquitto's file are, octet for octet, what they were when they were written by hand", () => {
  for (const role of ROLES) {
    const { filters, ...access } = kept.roles[role];
    assert.deepEqual(filtersFor(role, "me"), filters);
    assert.deepEqual(accessOf(role, "me"), access);
  }
  assert.equal(noticeFilter("news"), kept.notices);
  const services = ROLES.filter((role) => role !== "settop").map((role) => ({ role, id: `the-${role}` }));
  assert.deepEqual(mosquittoAcl(services).split("\n"), kept.acl);
});

test("who begins to talk to whom, and where it is answered", () => {
  const openings = ROLES.flatMap((from) =>
    ROLES.flatMap((to) => {
      const opening = ROUTE_TABLE.opening(from, to);
      return opening === undefined ? [] : [`${from} ${to} ${opening.kind} ${opening.answers}`];
    }),
  );
  assert.deepEqual(openings, [
    "settop keyserver keys.req keys.res",
    "router reception router.membership router.res",
    "headend keyserver headend.up headend.down",
    "keyserver headend headend.down headend.up",
    "keyserver reception reception.req reception.res",
    "reception router router.res router.membership",
    "reception keyserver keys.req keys.res",
  ]);
});

/** A route that nothing else knows: set-tops would tell the reception server how well they receive. */
const more = new RouteTable({
  ...ROUTES,
  quality: {
    path: "quality/{channel}/{shard}/{id}",
    speakers: ["settop"],
    listeners: ["reception"],
    owner: "speaker",
    subscribed: "always",
    sealed: { asks: true, answers: "quality.res", newcomers: "settop" },
  },
  "quality.res": {
    path: "quality/{id}",
    speakers: ["reception"],
    listeners: ["settop"],
    owner: "listener",
    subscribed: "always",
    sealed: { asks: false, answers: "quality" },
  },
});

test("one more route in the table is written, read, subscribed to, allowed and in Mosquitto's file", () => {
  const topic = { kind: "quality", channel: "news", shard: 7, id: "box-1" };
  assert.equal(more.format(topic), "sealcast/1/quality/news/7/box-1");
  assert.deepEqual(more.parse("sealcast/1/quality/news/7/box-1"), topic);
  assert.equal(more.parse("sealcast/1/quality/news/x/box-1"), "topic.identifier");
  assert.deepEqual(more.subscribedAlways("settop", "box-1"), ["sealcast/1/keys/res/box-1", "sealcast/1/quality/box-1"]);
  assert.ok(more.subscribedAlways("reception", "r").includes("sealcast/1/quality/#"));
  assert.deepEqual(more.subscribedAlways("keyserver", "k"), filtersFor("keyserver", "k"));
  assert.ok(accessOf("settop", "box-1", more).publish.includes("sealcast/1/quality/+/+/box-1"));
  assert.ok(accessOf("reception", "r", more).publish.includes("sealcast/1/quality/+"));
  const acl = mosquittoAcl([{ role: "reception", id: "r" }], more).split("\n");
  for (const line of [
    "pattern write sealcast/1/quality/+/+/%u",
    "pattern read sealcast/1/quality/%u",
    "topic read sealcast/1/quality/#",
    "topic write sealcast/1/quality/+",
  ])
    assert.ok(acl.includes(line), line);
  assert.equal(more.opening("settop", "reception")?.answers, "quality.res");
});

test("a table whose answers lead nowhere, or whose paths name nobody or what topics do not have, is our own mistake", () => {
  const route = { path: "a/{id}", speakers: ["router"], listeners: ["router"], owner: "nobody" } as const;
  const answering = (answers: string): Routes => ({
    a: { ...route, subscribed: "always", sealed: { asks: true, answers } },
    b: { ...route, subscribed: "always" },
  });
  assert.doesNotThrow(() => new RouteTable(answering("a")));
  assert.throws(() => new RouteTable(answering("b")), RangeError);
  assert.throws(() => new RouteTable(answering("c")), RangeError);
  assert.throws(() => new RouteTable({ a: { ...answering("a").a, path: "a/{shard}" } as Route }), /does not say whose/);
  assert.throws(() => new RouteTable({ a: { ...route, path: "a/{toString}", subscribed: "always" } }), RangeError);
});

test("a topic is written with all values of its path or not at all", () => {
  assert.throws(() => ROUTE_TABLE.format({ kind: "keys.req", shard: 0 }), RangeError);
  assert.throws(() => ROUTE_TABLE.format({ kind: "keys", id: "box-1" }), RangeError);
});
