// The routers of figure 2 by themselves, in real kernels: a plain stream crosses them to whoever joined, and to nobody else.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { TYPE_OCTET } from "../../build/core/igmp/messages/offsets.js";
import { TargetProcess } from "./bundle.mjs";
import * as configuration from "./configuration.mjs";
import { isJoin, isLeave, isQuery } from "./igmp.mjs";
import { numberAt, PACKETS_PER_DATAGRAM } from "./numbered.mjs";
import { Run } from "./run.mjs";
import { scenarioOf } from "./scenario.mjs";
import { stopTimed } from "./stop-timed.mjs";
import { ADDRESS, figureTwo, ROUTER_NAMES, ROUTERS } from "./topology.mjs";
import { observe } from "./waiting.mjs";

const GROUP = "239.41.0.7";
const SOURCE_SPECIFIC = "232.41.0.7";
const RECEIVER = `${import.meta.dirname}/receiver.mjs`;
const GENERATOR = `${import.meta.dirname}/generator.mjs`;
const UDP_HEADER = 8;
/** RFC 3376 8.8, RFC 2236 8.8: two queries a second apart, and half a second for the machine. */
const LAST_MEMBER_TIME = 2500;

describe("routers without control", () => {
  /** @type {Run} */
  let run;
  /** @type {ReturnType<typeof figureTwo>} */
  let places;
  /** @type {TargetProcess[]} */
  let routers = [];
  const scenario = scenarioOf(() => run);

  before(async () => {
    run = new Run();
    places = figureTwo(run.network);
    routers = ROUTER_NAMES.map((id) => {
      const config = configuration.router(id, undefined, ROUTERS[id]);
      return new TargetProcess(run, { target: "router", id, place: places[id], config });
    });
    await Promise.all(routers.map((router) => router.start()));
    for (const group of [GROUP, SOURCE_SPECIFIC]) {
      const args = [GENERATOR, group, "5000", "500000", run.path(`${group}.ts`)];
      await run.start(`to-${group}`, { place: places.headend, program: "node", args }).line(/sending/);
    }
  });
  after(() => run.close());

  const receive = (/** @type {keyof typeof ADDRESS} */ at, /** @type {string[]} */ ...args) =>
    run.start(`receiver-${at}-${args[0]}`, { place: places[at], program: "node", args: [RECEIVER, ...args] });

  scenario("nothing of the stream is on a link where nobody joined", async () => {
    const link = await run.capture(places.settop21, "eth0", "udp port 5000");
    await observe(1000);
    assert.equal(link.packets.length, 0);
  });

  scenario("a v3 join brings the stream, and a leave ends it after the last member's time", async () => {
    const link = await run.capture(places.settop21, "eth0", "igmp or udp port 5000");
    const receiver = receive("settop21", GROUP, "5000");
    await receiver.line(/first/);
    const join = await link.first("the join", isJoin(GROUP));
    const first = await link.first(
      "the stream",
      ({ protocol, destination }) => protocol === 17 && destination === GROUP,
    );
    assert.ok(first.at >= join.at);
    await receiver.stop();
    const leave = await link.first("the leave", isLeave(GROUP));
    const query = await link.first("a question for other members", isQuery(GROUP));
    assert.deepEqual([query.ttl, query.tos, query.options.toString("hex")], [1, 0xc0, "94040000"], "RFC 3376 4");
    await observe(LAST_MEMBER_TIME + 1000);
    assert.equal(link.stream(GROUP).filter((packet) => packet.at > leave.at + LAST_MEMBER_TIME).length, 0);
  });

  scenario("an IGMPv2 host is served too", async () => {
    places.settop31.set({ "net/ipv4/conf/all/force_igmp_version": 2, "net/ipv4/conf/eth0/force_igmp_version": 2 });
    const link = await run.capture(places.settop31, "eth0", "igmp or udp port 5000");
    const receiver = receive("settop31", GROUP, "5000");
    await receiver.line(/first/);
    const join = await link.first("the join", isJoin(GROUP));
    assert.equal(join.payload[0], TYPE_OCTET.v2Report, "a v2 report");
    await receiver.stop();
    const leave = await link.first("the leave", isLeave(GROUP));
    assert.equal(leave.payload[0], TYPE_OCTET.leave, "a v2 leave");
    await observe(LAST_MEMBER_TIME + 1000);
    assert.equal(link.stream(GROUP).filter((packet) => packet.at > leave.at + LAST_MEMBER_TIME).length, 0);
  });

  scenario("a source-specific join brings the channel of that source, and none of another", async () => {
    const stranger = receive("settop21", SOURCE_SPECIFIC, "5000", "10.41.0.99");
    await stranger.line(/joined/);
    const receiver = receive("settop11", SOURCE_SPECIFIC, "5000", ADDRESS.headend);
    await receiver.line(/first/);
    assert.equal(stranger.lines.filter((line) => line.includes("first")).length, 0);
    await Promise.all([stranger.stop(), receiver.stop()]);
  });

  scenario("a viewer keeps its stream when another one behind the same router leaves", async () => {
    const link = await run.capture(places.settop13, "eth0", "udp port 5000");
    const [leaving, staying] = [receive("settop11", GROUP, "5000"), receive("settop13", GROUP, "5000")];
    await Promise.all([leaving.line(/first/), staying.line(/first/)]);
    await leaving.stop();
    await observe(LAST_MEMBER_TIME + 1500);
    // By what the sender says of each, and not by the time: on a busy machine it pauses, too.
    const numbers = link.packets.map(({ payload }) => numberAt(payload, UDP_HEADER));
    const expected = numbers.map((_, index) => (numbers[0] ?? Number.NaN) + index * PACKETS_PER_DATAGRAM);
    assert.deepEqual(numbers, expected, "no packet is missing");
    assert.ok(numbers.length > 100, `${numbers.length} packets`);
    await staying.stop();
  });

  scenario("each router ends within two seconds of SIGTERM", async () => {
    for (const { how, took } of await Promise.all(routers.map(stopTimed))) {
      assert.equal(how, 0);
      assert.ok(took < 2000, `${took} ms`);
    }
  });
});
