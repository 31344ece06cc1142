// The patent's three flows in figure 2, asserted on captured packets and on the store; the same for any shape of the servers.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { rtp } from "./capture.mjs";
import { isJoin, isLeave, isQuery } from "./igmp.mjs";
import { scenarioOf } from "./scenario.mjs";
import { stopTimed } from "./stop-timed.mjs";
import { System } from "./system.mjs";
import { ADDRESS } from "./topology.mjs";
import { observe } from "./waiting.mjs";

/** RFC 3376 8.8: two queries a second apart, and half a second for the last report to be waited for. */
const LAST_MEMBER_TIME = 2500;
const KEY_CHANGES = 20;
/** Set-tops have asked 0.3 s after the next key was announced, and have the rest of the lead for the answer, on a busy machine too. */
const TIMES = { interval: 2, lead: 1.9, window: 0.3 };

/**
 * @param {string} title
 * @param {import("./system.mjs").Options} options
 */
export function figureTwoScenarios(title, options) {
  describe(title, () => {
    /** @type {System} */
    let system;
    /** @type {import("./settop.mjs").Settop} */
    let viewer31;
    /** @type {import("./capture.mjs").Capture} */
    let link31;
    let epochAtStart = 0;

    before(async () => {
      system = await System.start({ ...TIMES, ...options });
      viewer31 = await system.settop("settop31");
      link31 = await system.run.capture(system.places.settop31, "eth0", "igmp or udp port 5004");
      await viewer31.start();
      await viewer31.playing();
      epochAtStart = await system.epoch();
    });
    after(() => system?.close());
    const it = scenarioOf(() => system?.run);

    it("scenario 1: set-top 11 starts to receive (71 to 76)", async () => {
      const link = await system.run.capture(system.places.settop11, "eth0", "igmp or udp port 5004");
      const before = await system.messages();
      const settop = await system.settop("settop11");
      await settop.start();
      await settop.playing();

      const join = await link.first("the join", isJoin(system.group));
      assert.equal(join.source, ADDRESS.settop11);
      const [first] = link.stream(system.group);
      assert.ok(first !== undefined && first.at >= join.at, "the stream came only after the join (71, 72)");
      assert.equal(rtp(first).ssrc, rtp(link31.stream(system.group)[0] ?? first).ssrc, "one stream for everybody");

      await system.counted([71, 72, 73, 74, 75, 76], before);
      const live = await system.receptions();
      assert.ok(
        live.some((row) => row.device === "settop11" && row.channel === "one"),
        "a live reception is kept",
      );
      await settop.stop();
      assert.ok(settop.compareWith(system.input).identical, JSON.stringify(settop.compareWith(system.input)));
    });

    it("scenario 2: set-top 21 stops (81 to 86), and its link carries no more of the group", async () => {
      const link = await system.run.capture(system.places.settop21, "eth0", "igmp or udp port 5004");
      const settop = await system.settop("settop21");
      await settop.start();
      await settop.playing();
      const before = await system.messages();
      const { how, took } = await stopTimed(settop);
      assert.equal(how, 0);
      assert.ok(took < 2000, `it took ${took} ms to stop`);

      const leave = await link.first("the leave", isLeave(system.group));
      await link.first("a question for other members", isQuery(system.group));
      await observe(LAST_MEMBER_TIME + 2000);
      const late = link.stream(system.group).filter((packet) => packet.at > leave.at + LAST_MEMBER_TIME);
      assert.equal(late.length, 0, "packets of the group after the last member's time");

      await system.counted([81, 82, 83, 84, 85, 86], before);
      assert.ok(
        (await system.receptions()).every((row) => row.device !== "settop21"),
        "the live reception is gone",
      );
      const records = (await system.usage()).filter((row) => row.device === "settop21");
      assert.equal(records.length, 1, "one usage record");
      assert.equal(records[0]?.cause, "stopped");
      assert.ok(settop.compareWith(system.input).identical, JSON.stringify(settop.compareWith(system.input)));
    });

    it(`scenario 3: ${KEY_CHANGES} key changes while set-top 31 watches (91 to 95), not a packet lost or repeated`, async () => {
      // The first grant (76) may have brought the second key already.
      await system.reachEpoch(epochAtStart + KEY_CHANGES + 1, 120_000);
      const status = await viewer31.channel();
      await viewer31.stop();
      const found = viewer31.compareWith(system.input);
      // With the times of every message: whether a key came late, and where it was.
      const told = `${viewer31.process.tail(200)}\n${system.headend.process.tail(200)}`;
      assert.ok(found.identical, `${JSON.stringify({ found, status })}\n${told}`);
      assert.deepEqual([status.lost, status.duplicated], [0, 0]);
      const epochs = new Set(link31.stream(system.group).map((packet) => rtp(packet).mki));
      assert.ok(epochs.size > KEY_CHANGES, `${epochs.size} epochs on the wire`);
      const counts = await system.messages();
      for (const number of [91, 92, 93, 94, 95]) {
        assert.ok((counts[number] ?? 0) >= KEY_CHANGES, `message ${number}: ${counts[number]}`);
      }
    });
  });
}
