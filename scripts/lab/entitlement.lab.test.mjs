// Who may not receive: a device without entitlement, and one whose right is taken away while it watches; and the neighbour who stays.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { rtp } from "./capture.mjs";
import { isJoin } from "./igmp.mjs";
import { PACKET } from "./numbered.mjs";
import { scenarioOf } from "./scenario.mjs";
import { channelOf } from "./settop.mjs";
import { System } from "./system.mjs";
import { observe } from "./waiting.mjs";

/** RFC 3376 8.8: two queries a second apart, and half a second for the machine. */
const LAST_MEMBER_TIME = 2500;
const FILTER = "igmp or udp port 5004";

/** True when the payload shows what the numbered stream has at its begin in clear: sync octets 188 apart. */
const looksClear = (/** @type {Buffer} */ body) => [0, 1, 2, 3].every((index) => body[index * PACKET] === 0x47);

describe("entitlement", () => {
  /** @type {System} */
  let system;
  /** @type {import("./settop.mjs").Settop} */
  let viewer31;
  const scenario = scenarioOf(() => system?.run);

  before(async () => {
    system = await System.start();
    viewer31 = await system.settop("settop31");
    await viewer31.start();
    await viewer31.playing();
  });
  after(() => system?.close());

  scenario(
    "scenario 4: a device without entitlement gets ciphertext and a denial with its reason, and decrypts nothing",
    async () => {
      const link = await system.run.capture(system.places.settop21, "eth0", FILTER);
      const stranger = await system.settop("stranger", { at: "settop21", entitled: false });
      await stranger.start();
      await link.first("the join", isJoin(system.group));
      const status = await stranger.dark("not-entitled");
      assert.equal(status.viewing.verdict.reason, "not-entitled");
      assert.match(status.dark.text, /the subscription does not include this channel/);

      const packet = await link.first(
        "the stream",
        ({ destination, protocol }) => protocol === 17 && destination === system.group,
      );
      assert.equal(looksClear(rtp(packet).body), false, "what it gets is not in clear");
      await observe(1000);
      assert.equal(channelOf(await stranger.status(), "one").received, 0);
      assert.equal(stranger.written().length, 0, "nothing came out");
      const denials = await system.denials();
      assert.ok(
        denials.some((row) => row.device === "stranger" && row.channel === "one" && row.reason === "not-entitled"),
      );
      assert.ok(
        (await system.receptions()).every((row) => row.device !== "stranger"),
        "it has no reception",
      );
      await stranger.stop();
      assert.ok(
        (await system.usage()).every((row) => row.device !== "stranger"),
        "and nothing to pay",
      );
    },
  );

  scenario("scenario 5: a revoked device is out after the forced epoch, and nobody else notices", async () => {
    const link = await system.run.capture(system.places.settop21, "eth0", FILTER);
    const settop = await system.settop("settop21");
    await settop.start();
    await settop.playing();
    const answer = await system.servers.operator.revoke("settop21");
    assert.deepEqual(answer, { revoked: "settop21", rekeyed: ["one"] });
    const revokedAt = await system.epoch();
    const status = await settop.dark("not-entitled");
    assert.equal(status.viewing.verdict.reason, "device.revoked");

    await system.reachEpoch(revokedAt + 2, 10_000);
    const written = settop.written();
    assert.ok(written.length > 0);
    const known = new Set(status.epochs);
    const { received } = channelOf(await settop.status(), "one");
    await observe(1000);
    assert.equal(channelOf(await settop.status(), "one").received, received, "no packet of a later epoch opens");
    const epochs = new Set(link.stream(system.group).map((packet) => rtp(packet).mki));
    assert.ok(
      [...epochs].some((epoch) => epoch > revokedAt && !known.has(epoch)),
      "later epochs were on its link",
    );
    assert.ok(settop.compareWith(system.input).identical, "what it had the right to is whole");

    const records = (await system.usage()).filter((row) => row.device === "settop21");
    assert.deepEqual(
      records.map((row) => row.cause),
      ["revoked"],
    );
    assert.ok(
      (await system.receptions()).some((row) => row.device === "settop31"),
      "the other one is still receiving",
    );
  });

  scenario("viewer B's picture does not freeze because viewer A behind the same router leaves", async () => {
    const [leaving, staying] = [await system.settop("settop11"), await system.settop("settop13")];
    const before = await system.messages();
    await Promise.all([leaving.start(), staying.start()]);
    await Promise.all([leaving.playing(), staying.playing()]);
    await system.counted([71], before, 2);
    const link = await system.run.capture(system.places.settop13, "eth0", FILTER);
    await leaving.stop();
    await observe(LAST_MEMBER_TIME + 2000);
    assert.ok(link.stream(system.group).length > 100, "the stream has gone on");
    await staying.stop();
    for (const settop of [leaving, staying]) {
      const found = settop.compareWith(system.input);
      assert.ok(found.identical, `${settop.id}: ${JSON.stringify(found)}`);
    }
  });

  scenario("what the routers saw is kept beside the receptions: who, on which port, with which MAC", async () => {
    const seen = system.servers.operator.show("memberships");
    const viewer = seen.find((row) => row.host === "10.32.0.31" && row.group === system.group);
    assert.deepEqual(
      [viewer?.router, viewer?.interface, viewer?.device, viewer?.state],
      ["router32", "lan0", "settop31", "keyed and joined"],
    );
    const left = seen.find((row) => row.host === "10.12.0.11" && row.group === system.group);
    assert.deepEqual([left?.router, left?.interface, left?.port, left?.state], ["router12", "br0", "lan11", "left"]);
    assert.match(left?.mac, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
  });

  scenario("the one who watched all the time has lost nothing", async () => {
    await viewer31.stop();
    const found = viewer31.compareWith(system.input);
    assert.ok(found.identical, JSON.stringify(found));
  });

  scenario("the operator's command line shows the records as a table and as JSON", async () => {
    const { operator } = system.servers;
    const records = operator.show("usage");
    assert.deepEqual(new Set(records.map((row) => row.cause)), new Set(["stopped", "revoked"]));
    assert.deepEqual(operator.show("receptions"), []);
    assert.match(operator.table("usage"), /settop31 .*stopped/);
  });
});
