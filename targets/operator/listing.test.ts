import assert from "node:assert/strict";
import { test } from "node:test";
import { unixTime } from "../../core/base/time.ts";
import type { Write } from "../../core/ports/store.ts";
import { MemoryStore } from "../../hal/store/memory.ts";
import { passwordHash } from "../shared/registration.ts";
import { Directory } from "./directory.ts";
import { listMemberships } from "./evidence.ts";
import { listDenials, listPackages, listSubscribers, listTable } from "./listing.ts";
import { jsonLines, tableLines } from "./table.ts";

const GROUP = 0xefff4d01;
const T0 = unixTime(1_767_225_600_000);
const octets = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

async function* each<T>(rows: readonly T[]): AsyncGenerator<T> {
  yield* rows;
}

async function storeWith(writes: readonly Write[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.transact([
    // biome-ignore lint/correctness/useYield: needs no rows
    function* () {
      return { outcome: undefined, writes };
    },
  ]);
  return store;
}

const device = (n: number, status: "active" | "revoked" = "active"): Write => ({
  put: "device",
  row: {
    id: `box${n}`,
    subscriber: "s",
    publicKey: octets(n),
    passwordHash: passwordHash(`secret${n}`),
    mac: `02:00:00:00:00:0${n}`,
    status,
  },
});

const receiving = (n: number): Write => ({
  put: "live_reception",
  row: {
    device: `box${n}`,
    channel: "one",
    reception: String(n).repeat(32),
    subscriber: "s",
    since: T0,
    firstEpoch: 1,
    epoch: 1,
    heldUntil: T0,
    lastSeen: T0,
  },
});

const joined = (n: number): Write => ({
  put: "membership",
  row: { router: "r1", interface: "br0", host: 0x0a000000 + n, group: GROUP, since: T0, mac: `02:00:00:00:00:0${n}` },
});

const keyChannel: Write = {
  put: "key_channel",
  row: {
    channel: "one",
    headend: "he",
    maker: "headend",
    group: GROUP,
    port: 5004,
    suite: "AEAD_AES_128_GCM",
    mkiLength: 4,
    ssrc: 7,
    payloadType: 33,
    interval: 1000,
    overlap: 1000,
    window: 1000,
    lastEpoch: 1,
  },
};

test("the routers' evidence is held against the receptions", async () => {
  const devices = [1, 2, 3].map((n) => device(n));
  const store = await storeWith([...devices, keyChannel, receiving(1), receiving(3), joined(1), joined(2), joined(9)]);
  const states = (await all(listMemberships(store))).map(({ device, host, state }) => [device, host, state]);
  assert.deepEqual(states, [
    ["box1", "10.0.0.1", "keyed and joined"],
    ["box2", "10.0.0.2", "joined, not keyed"],
    [undefined, "10.0.0.9", "joined"],
    ["box3", undefined, "keyed, not joined"],
  ]);
});

test("a listing has ISO times, hexadecimal keys, and no secret", async () => {
  const store = await storeWith([
    device(1),
    {
      put: "epoch",
      row: { channel: "one", epoch: 1, masterKey: octets(1), masterSalt: octets(2), state: "announced", switchAt: T0 },
    },
  ]);
  assert.deepEqual(await all(listTable(store, "epoch")), [
    { channel: "one", epoch: 1, state: "announced", switchAt: "2026-01-01T00:00:00.000Z" },
  ]);
  const [row] = await all(listTable(store, "device"));
  assert.equal(row?.publicKey, "01".repeat(32));
  assert.equal(row !== undefined && "passwordHash" in row, false);
});

test("memberships that have ended come after the open ones, all of them, the newest first", async () => {
  const ended = Array.from(
    { length: 1_200 },
    (_, n): Write => ({
      put: "membership",
      row: {
        ...{ router: "r1", interface: "br0", host: n, group: GROUP, since: T0 },
        ...{ until: unixTime(T0 + n), cause: "left" },
      },
    }),
  );
  const rows = await all(listMemberships(await storeWith([...ended, joined(1)])));
  assert.equal(rows.length, 1_201);
  assert.equal(rows[0]?.state, "joined");
  assert.deepEqual(
    rows.slice(1).map(({ until }) => until),
    Array.from({ length: 1_200 }, (_, n) => new Date(T0 + 1_199 - n).toISOString()),
  );
});

test("a package has all its channels and a subscriber all its packages, however many", async () => {
  const many = Array.from({ length: 2_100 }, (_, n) => `c${String(n).padStart(4, "0")}`);
  const store = await storeWith([
    { put: "package", row: { id: "base" } },
    { put: "package", row: { id: "empty" } },
    { put: "subscriber", row: { id: "s", name: "S", status: "active" } },
    ...many.map((channel): Write => ({ put: "package_channel", row: { package: "base", channel } })),
    ...many.map((name): Write => ({ put: "subscription", row: { subscriber: "s", package: name, from: T0 } })),
  ]);
  assert.deepEqual(await all(listPackages(store)), [
    { id: "base", channels: many },
    { id: "empty", channels: [] },
  ]);
  assert.deepEqual((await all(listSubscribers(store)))[0]?.packages, many);
});

test("refusals that no process remembers are not shown as none", async () => {
  await assert.rejects(all(listDenials(undefined)), { code: "denials.not-kept" });
});

test("a table has its columns in order, and says when it is empty", async () => {
  assert.deepEqual(await all(tableLines(each([]), ["id"])), ["(none)"]);
  const rows = [{ id: "a", title: "One" }, { id: "bcd" }, { id: "x", title: ["one", "two"] }];
  assert.deepEqual(await all(tableLines(each(rows), ["id", "title"])), [
    "ID   TITLE",
    "a    One",
    "bcd  -",
    "x    one two",
  ]);
});

test("a table keeps a cell whole that is wider than those it took its widths from, and speaks to no terminal", async () => {
  const rows = Array.from({ length: 600 }, (_, n) => ({ id: n === 599 ? "a-long-id" : "a", title: "T" }));
  const lines = await all(tableLines(each([...rows, { id: "\u001b[2J", title: "T" }]), ["id", "title"]));
  assert.equal(lines.length, 602);
  assert.deepEqual(lines.slice(-3), ["a   T", "a-long-id  T", "\\u001b[2J  T"]);
});

test("JSON is an array with a row in each line", async () => {
  assert.deepEqual(await all(jsonLines(each([]))), ["[", "]"]);
  assert.deepEqual(await all(jsonLines(each([{ a: 1 }, { a: 2 }]))), ["[", '  {"a":1},', '  {"a":2}', "]"]);
});

const service = (status: "active" | "revoked"): Write => ({
  put: "service",
  row: {
    id: "he",
    role: "headend",
    publicKey: octets(8),
    passwordHash: passwordHash("word"),
    status,
    channels: "one two",
  },
});

test("the broker lets in devices and active services with their passwords, a revoked device too", async () => {
  const directory = await Directory.open(await storeWith([device(1), device(2, "revoked"), service("active")]));
  const role = (id: string, password: string) => directory.authenticate(id, new TextEncoder().encode(password));
  assert.equal(await role("box1", "secret1"), "settop");
  assert.equal(await role("box2", "secret2"), "settop");
  assert.equal(await role("he", "word"), "headend");
  assert.equal(await role("box1", "secret2"), "wrong-password");
  assert.equal(await role("he", ""), "wrong-password");
  assert.equal(await role("nobody", "secret1"), undefined);
  assert.deepEqual(directory.headend("he"), { publicKey: octets(8), channels: ["one", "two"] });
  assert.equal(directory.headend("box1"), undefined);
});

test("a revoked service is neither let in nor known, and is called revoked", async () => {
  const directory = await Directory.open(await storeWith([service("revoked")]));
  assert.equal(await directory.authenticate("he", new TextEncoder().encode("word")), "revoked");
  assert.equal(directory.headend("he"), undefined);
});
