// Set-tops on other kinds of links: an IGMPv2 host, and a source-specific channel.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { isJoin } from "./capture.mjs";
import { scenarioOf } from "./scenario.mjs";
import { ONE, System } from "./system.mjs";
import { ADDRESS } from "./topology.mjs";

const SPECIFIC = { id: "two", group: "232.41.0.2", source: ADDRESS.headend };

describe("set-tops", () => {
  /** @type {System} */
  let system;
  const scenario = scenarioOf(() => system?.run);

  before(async () => {
    system = await System.start({ channels: [SPECIFIC, ONE] });
  });
  after(() => system?.close());

  scenario("a source-specific channel (RFC 4607) is joined by its source, and comes out as it went in", async () => {
    const link = await system.run.capture(system.places.settop11, "eth0", "igmp");
    const settop = await system.settop("settop11", { tune: ["two"] });
    await settop.start();
    await settop.playing("two");
    const join = await link.first("the join", isJoin(SPECIFIC.group));
    assert.equal(join.payload[0], 0x22, "a v3 report");
    assert.ok(join.payload.includes(Buffer.from([10, 41, 0, 41])), "which names the source");
    await system.reachEpoch((await system.epoch()) + 1, 5000);
    await settop.stop();
    assert.ok(settop.compareWith(system.input).identical, JSON.stringify(settop.compareWith(system.input)));
  });
});
