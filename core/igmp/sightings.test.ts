import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address, ipv4 } from "../base/ipv4.ts";
import { Sightings } from "./sightings.ts";

const A = { port: "lan1", mac: "02:00:00:00:00:11", address: address("10.2.0.11") };
const packet = (mac = "", from = A.address) => ({ port: "", mac, address: from });

test("a packet of a host that a tap saw has its port, and its MAC", () => {
  const sightings = new Sightings();
  assert.deepEqual(sightings.complete(packet()), packet());
  sightings.note(A);
  assert.deepEqual(sightings.complete(packet()), A);
  sightings.note({ ...A, port: "lan2" });
  assert.deepEqual(sightings.complete(packet(A.mac)), { ...A, port: "lan2" });
});

test("an address with two cards is nobody's unless the packet shows the card", () => {
  const sightings = new Sightings();
  sightings.note(A);
  sightings.note({ ...A, port: "lan2", mac: "02:00:00:00:00:12" });
  assert.deepEqual(sightings.complete(packet()), packet());
  assert.deepEqual(sightings.complete(packet(A.mac)), A);
});

test("0.0.0.0 may be anybody", () => {
  const sightings = new Sightings();
  sightings.note({ ...A, address: ANY });
  assert.deepEqual(sightings.complete(packet("", ANY)), packet("", ANY));
});

test("invented hosts push out the oldest, not one that is heard again", () => {
  const sightings = new Sightings();
  sightings.note(A);
  for (let i = 0; i < 10_000; i++) {
    sightings.note({ ...A, address: ipv4(A.address + 1 + i) });
    if (i % 1000 === 0) sightings.note(A);
  }
  assert.deepEqual(sightings.complete(packet()), A);
  assert.deepEqual(sightings.complete(packet("", ipv4(A.address + 1))).port, "");
});
