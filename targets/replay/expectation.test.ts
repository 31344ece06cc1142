import assert from "node:assert/strict";
import { test } from "node:test";
import { differences } from "./expectation.ts";

const ACTUAL = {
  packets: 9,
  types: { v3Report: 3, leave: 0 },
  drops: { "igmp.checksum": 1 },
  networks: [
    {
      network: "VLAN 100",
      memberships: [
        { group: "239.1.1.1", hosts: [{ address: "10.0.0.1" }, { address: "10.0.0.2" }] },
        { group: "239.1.1.2", hosts: [{ address: "10.0.0.1" }] },
      ],
    },
    { network: "VLAN 200", memberships: [] },
  ],
  timeline: [
    { frame: 1, event: "host-joined", group: "239.1.1.1" },
    { frame: 2, event: "query", query: { qrv: 2 } },
    { event: "membership", group: "239.1.1.1", mode: "include" },
  ],
};

test("what a replay shows is as expected, whole or in parts", () => {
  assert.deepEqual(differences(ACTUAL, ACTUAL), []);
  assert.deepEqual(differences({}, ACTUAL), []);
  assert.deepEqual(differences({ packets: 9, timeline: [{ event: "query", query: { qrv: 2 } }] }, ACTUAL), []);
});

test("a number, a text or a part that differs is named by its path", () => {
  assert.deepEqual(differences({ packets: 8 }, ACTUAL), ["packets: expected 8, is 9"]);
  assert.deepEqual(differences({ packet: 8 }, ACTUAL), ["packet: expected 8, and there is none"]);
  assert.deepEqual(differences({ networks: {} }, { networks: [] }), ["networks: expected {}, is []"]);
  assert.deepEqual(differences({ fault: null }, ACTUAL), ["fault: expected null, and there is none"]);
});

test("maps of counts are whole: what is not named is 0", () => {
  assert.deepEqual(differences({ types: { v3Report: 3 } }, ACTUAL), []);
  assert.deepEqual(differences({ drops: {} }, ACTUAL), ["drops.igmp.checksum: expected 0, is 1"]);
  assert.deepEqual(differences({ types: { v3Report: 3, v2Report: 1 } }, ACTUAL), ["types.v2Report: expected 1, is 0"]);
});

const tables = (...memberships: object[]) => ({
  networks: [{ network: "VLAN 200" }, { network: "VLAN 100", memberships }],
});

test("lists of tables have their items in any order, all of them", () => {
  const second = { group: "239.1.1.2" };
  assert.deepEqual(differences(tables(second, { group: "239.1.1.1" }), ACTUAL), []);
  assert.deepEqual(differences({ networks: [{ network: "VLAN 200" }] }, ACTUAL).length, 1);
  assert.match(
    differences({ networks: [{ network: "VLAN 200" }] }, ACTUAL)[0] ?? "",
    /^networks: .*VLAN 100.* not expected$/,
  );
  assert.deepEqual(differences({ networks: [{}, {}, { network: "VLAN 300" }] }, ACTUAL), [
    'networks[2]: expected {"network":"VLAN 300"}, and there is none',
  ]);
});

test("an item that says little leaves the one that fits to the item that says more", () => {
  assert.deepEqual(differences(tables({}, { group: "239.1.1.1" }), ACTUAL), []);
  assert.deepEqual(differences(tables({ hosts: [{}] }, {}), ACTUAL), []);
  assert.deepEqual(
    differences({ list: [{}, { a: 1 }, { a: 1, b: 1 }] }, { list: [{ a: 1, b: 1 }, { a: 1 }, { b: 1 }] }),
    [],
  );
});

test("of an item that differs the parts are named", () => {
  const [line] = differences(tables({ group: "239.1.1.1" }, { group: "239.1.1.3" }), ACTUAL);
  assert.equal(line, 'networks[1].memberships[1].group: expected "239.1.1.3", is "239.1.1.2"');
});

test("the timeline: in this order, others between them", () => {
  assert.deepEqual(differences({ timeline: [{ frame: 1 }, { event: "membership" }] }, ACTUAL), []);
  assert.deepEqual(differences({ timeline: [{ event: "host-left" }] }, ACTUAL), [
    'timeline[0]: expected {"event":"host-left"}, and nothing of the kind is there',
  ]);
  assert.match(
    differences({ timeline: [{ event: "query" }, { frame: 1 }] }, ACTUAL)[0] ?? "",
    /^timeline\[1\]: expected \{"frame":1\}, and it comes before \{"frame":2/,
  );
});
