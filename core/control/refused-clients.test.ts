import assert from "node:assert/strict";
import { test } from "node:test";
import { unixTime } from "../base/time.ts";
import { RefusedClients } from "./refused-clients.ts";

const address = "10.0.0.7";

test("refusals of one id for one reason are one entry, with first and last time and the newest address", () => {
  const book = new RefusedClients();
  book.note(unixTime(1000), { reason: "wrong-password", id: "box-1", address });
  book.note(unixTime(1500), { reason: "unknown-id", id: "box-2", address });
  book.note(unixTime(2000), { reason: "wrong-password", id: "box-1", address: "10.0.0.8" });
  assert.deepEqual(book.list(), [
    { reason: "unknown-id", id: "box-2", address, count: 1, first: 1500, last: 1500 },
    { reason: "wrong-password", id: "box-1", address: "10.0.0.8", count: 2, first: 1000, last: 2000 },
  ]);
});

test("who is turned away before a name is known by the address, and no id can pass for one", () => {
  const book = new RefusedClients();
  book.note(unixTime(1), { reason: "tls", address, detail: "no certificate" });
  book.note(unixTime(2), { reason: "tls", address, detail: "expired" });
  book.note(unixTime(3), { reason: "tls", id: `at ${address}`, address });
  assert.deepEqual(
    book.list().map(({ count, detail }) => [count, detail]),
    [
      [2, "expired"],
      [1, undefined],
    ],
  );
});

test("text of a client is short and printable", () => {
  const book = new RefusedClients();
  const noted = book.note(unixTime(1), {
    reason: "publish",
    id: `\u001b]0;${"x".repeat(60_000)}`,
    address,
    detail: `a\u0000${"y".repeat(60_000)}`,
  });
  assert.match(noted.id ?? "", /^\\u001b\]0;x{60}…$/);
  assert.match(noted.detail ?? "", /^a\\u0000y{118}…$/);
});

test("100,000 names leave the 1,024 that knocked last", () => {
  const book = new RefusedClients();
  for (let n = 0; n < 100_000; n++) book.note(unixTime(n), { reason: "unknown-id", id: `box-${n}`, address });
  assert.deepEqual([book.size, book.forgotten], [1024, 98_976]);
  assert.equal(book.list()[0]?.id, "box-98976");
});
