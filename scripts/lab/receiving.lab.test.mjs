// Set-tops on other kinds of links: an IGMPv2 host, and a source-specific channel.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { TYPE_OCTET } from "../../build/core/igmp/messages/offsets.js";
import { isJoin, isLeave } from "./igmp.mjs";
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
    assert.equal(join.payload[0], TYPE_OCTET.v3Report, "a v3 report");
    assert.ok(join.payload.includes(Buffer.from([10, 41, 0, 41])), "which names the source");
    await system.reachEpoch((await system.epoch()) + 1, 5000);
    await settop.stop();
    assert.ok(settop.compareWith(system.input).identical, JSON.stringify(settop.compareWith(system.input)));
  });

  scenario(
    "a set-top whose kernel speaks IGMPv2 is served, and says why there is no picture when nothing is sent",
    async () => {
      const place = system.namespace("settop31");
      place.set({ "net/ipv4/conf/all/force_igmp_version": 2, "net/ipv4/conf/eth0/force_igmp_version": 2 });
      const link = await system.run.capture(place, "eth0", "igmp or udp port 5005");
      const settop = await system.settop("settop31", { tune: ["one"] });
      await settop.start();
      // Its input is the second one, which nobody feeds: the key comes, and the join is a v2 report.
      const join = await link.first("the join", isJoin(ONE.group));
      assert.equal(join.payload[0], TYPE_OCTET.v2Report, "a v2 report");
      await settop.until("the key", (status) => status.channels[0]?.viewing.verdict.kind === "granted");
      await settop.dark("no-packets");
      await settop.stop();
      const leave = await link.first("the leave", isLeave(ONE.group));
      assert.equal(leave.payload[0], TYPE_OCTET.leave, "a v2 leave");
    },
  );
});
