// The patent's scenarios on figure 2, the whole system in one process and in simulated time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { type Instant, after as later, seconds } from "../../core/base/time.ts";
import type { SimulatedLan } from "../../hal/simulation/lan.ts";
import { CHANNEL_NAMES, type ChannelName, KEY_INTERVAL } from "./configuration.testkit.ts";
import { ROUTER_NAMES, type SettopName } from "./figure-two.testkit.ts";
import { Invariants } from "./invariants.testkit.ts";
import { PACKET_EVERY, World } from "./world.testkit.ts";

const GROUP = { one: address("239.255.77.1"), two: address("239.255.77.2") };

async function watching(seed: number, ...settops: readonly SettopName[]) {
  const world = await World.start(seed);
  const invariants = new Invariants(world);
  await world.run(seconds(2));
  for (const settop of settops) world.tune(settop, "one");
  assert.ok(await world.until(() => settops.every((settop) => world.watches(settop, "one"))), world.text());
  return { world, invariants };
}

/** The number of each of the patent's messages that went over the bus so far, as its sender counted it. */
function sent(world: World, box: "control" | "headend" | SettopName): Record<string, number> {
  const of = (counted: unknown): Record<string, number> => (counted as { sent: Record<string, number> }).sent;
  if (box !== "control") return of((box === "headend" ? world.headend : world.settops[box]).messages());
  const { keys, reception } = world.control.messages() as { keys: unknown; reception: unknown };
  return { ...of(keys), ...of(reception) };
}

/** Datagrams of the group put on a LAN from now on. */
function packetsOn(lan: SimulatedLan, channel: ChannelName): () => number {
  let count = 0;
  lan.capture((packet) => {
    if (packet.kind === "udp" && packet.destination === GROUP[channel]) count++;
  });
  return () => count;
}

const live = (world: World): readonly string[] =>
  world.control
    .rows("live_reception")
    .map(({ device, channel }) => `${device} ${channel}`)
    .sort();

const usage = (world: World): readonly string[] =>
  world.control.rows("usage_record").map(({ device, channel, cause }) => `${device} ${channel} ${cause}`);

function losesNothing(world: World, settop: SettopName, from: Instant, channel: ChannelName = "one"): void {
  const { screen } = world.settops[settop];
  const index = CHANNEL_NAMES.indexOf(channel);
  assert.deepEqual(screen.missing(index, from, world.now), []);
  assert.ok(world.watches(settop, channel), `${settop} watches`);
  const shown = screen.of(index).filter(({ at }) => at >= from).length;
  assert.ok(shown >= (world.now - from) / PACKET_EVERY - 1, `${shown} shown since ${from}`);
}

test("scenario 1: set-top 11 joins (71), is permitted (73 to 76) and has a picture; nobody else is bothered", async () => {
  const { world } = await watching(1, "settop-11");
  assert.deepEqual(live(world), ["settop-11 one"]);
  assert.equal(sent(world, "settop-11")["73"], 1);
  const { 74: inquiries, 75: permissions, 76: grants } = sent(world, "control");
  assert.deepEqual([inquiries, permissions, grants], [1, 1, 1]);
  const idle = [packetsOn(world.network.lans.lan22, "one"), packetsOn(world.network.lans.lan32, "one")];
  await world.run(seconds(5));
  assert.deepEqual(
    idle.map((count) => count()),
    [0, 0],
  );
  const evidence = world.control.rows("membership").map(({ router, port, mac }) => [router, port, mac]);
  const { mac } = [...world.settops["settop-11"].node.interfaces()][0] ?? {};
  const spelt = [...(mac ?? [])].map((octet) => octet.toString(16).padStart(2, "0")).join(":");
  assert.ok(
    evidence.some(([router, port, seen]) => router === "router-12" && port === "lan11" && seen === spelt),
    JSON.stringify(evidence),
  );
});

test("scenario 2: set-top 21 stops (81 to 86) and its link carries no more of the group; the others go on", async () => {
  const { world } = await watching(2, "settop-21", "settop-31");
  const from = world.now;
  world.stop("settop-21");
  await world.run(seconds(5));
  const after = packetsOn(world.network.lans.lan22, "one");
  await world.run(seconds(10));
  assert.equal(after(), 0);
  assert.deepEqual(live(world), ["settop-31 one"]);
  assert.deepEqual(usage(world), ["settop-21 one stopped"]);
  assert.equal(sent(world, "settop-21")["83"], 1);
  const { 84: stops, 85: recorded, 86: acknowledged } = sent(world, "control");
  assert.deepEqual([stops, recorded, acknowledged], [1, 1, 1]);
  losesNothing(world, "settop-31", from);
});

test("scenario 3: the key changes (91 to 95) twenty times while 31 watches, on both ways, and no packet is lost", async () => {
  const { world, invariants } = await watching(3, "settop-31");
  world.tune("settop-31", "two");
  assert.ok(await world.until(() => world.watches("settop-31", "two")));
  const from = world.now;
  await world.run(seconds(20 * KEY_INTERVAL + 5));
  for (const channel of CHANNEL_NAMES) {
    assert.ok(invariants.switchesAfter(channel, from).length >= 20);
    losesNothing(world, "settop-31", from, channel);
  }
  assert.ok((sent(world, "settop-31")["92"] ?? 0) >= 40);
  assert.ok((sent(world, "control")["91"] ?? 0) >= 40);
  assert.equal(world.control.rows("usage_record").length, 0);
  invariants.checkEnd();
});

test("scenario 4: the stranger joins, gets ciphertext and a denial with its reason, and has no key", async () => {
  const { world } = await watching(4, "settop-21");
  const carried = packetsOn(world.network.lans.lan22, "one");
  world.tune("stranger", "one");
  await world.run(seconds(1));
  assert.ok(carried() > 0);
  const [channel] = world.settops.stranger.channels();
  assert.equal(channel?.dark?.reason, "not-entitled");
  assert.match(channel?.dark?.text ?? "", /the subscription does not include this channel/);
  await world.run(seconds(3 * KEY_INTERVAL));
  assert.deepEqual([...world.settops.stranger.keys.since], []);
  assert.deepEqual(world.settops.stranger.screen.of(0), []);
  assert.deepEqual(live(world), ["settop-21 one"]);
});

test("scenario 5: a revoked device is out after the forced epoch, its neighbour loses nothing", async () => {
  const { world, invariants } = await watching(5, "settop-11", "settop-13");
  const from = world.now;
  await world.control.command("device.revoke", { id: "settop-13" });
  invariants.revoked("settop-13");
  const revokedAt = world.now;
  await world.run(seconds(KEY_INTERVAL / 2));
  const [forced] = invariants.switchesAfter("one", revokedAt);
  assert.ok(forced !== undefined && forced - revokedAt < seconds(2), `the forced switch came at ${forced}`);
  const last = world.settops["settop-13"].screen.lastAt(0);
  assert.ok(last !== undefined && last <= forced + 1, `shown until ${last}, switched at ${forced}`);
  assert.equal(world.settops["settop-13"].channels()[0]?.dark?.reason, "not-entitled");
  assert.deepEqual(usage(world), ["settop-13 one revoked"]);
  await world.run(seconds(2 * KEY_INTERVAL));
  losesNothing(world, "settop-11", from);
  invariants.checkEnd();
});

test("viewer 13 does not freeze when 11 leaves the same channel behind the same router, nor when 11 is killed or unplugged", async () => {
  const { world } = await watching(6, "settop-11", "settop-13");
  const from = world.now;
  const first = world.settops["settop-11"];
  world.stop("settop-11");
  await world.run(seconds(20));
  world.tune("settop-11", "one");
  await world.run(seconds(5));
  first.kill();
  await world.run(seconds(20));
  await first.start();
  world.tune("settop-11", "one");
  await world.run(seconds(5));
  first.cutPower();
  await world.run(seconds(40));
  losesNothing(world, "settop-13", from);
});

test("a zap is a stop and a start: both receptions on record, the second picture within a second", async () => {
  const { world } = await watching(7, "settop-31");
  world.zap("settop-31", "two");
  await world.run(seconds(1));
  assert.ok(world.watches("settop-31", "two"));
  await world.run(seconds(3));
  assert.deepEqual(live(world), ["settop-31 two"]);
  assert.deepEqual(usage(world), ["settop-31 one stopped"]);
});

test("a set-top that loses power sends its stop when it is back, and pays only until it went dark", async () => {
  const { world, invariants } = await watching(8, "settop-21");
  const box = world.settops["settop-21"];
  await world.run(seconds(3));
  const cut = world.host.clock.unix(world.now);
  box.cutPower();
  await world.run(seconds(4));
  assert.deepEqual(live(world), ["settop-21 one"]);
  await box.restorePower();
  await world.run(seconds(3));
  assert.deepEqual(usage(world), ["settop-21 one stopped"]);
  assert.deepEqual(box.journal.load().entries, []);
  const [record] = world.control.rows("usage_record");
  assert.ok((record?.until ?? 0) <= cut + seconds(KEY_INTERVAL), "no later than its last key");
  invariants.checkEnd();
});

test("a set-top that never comes back lapses at the end of its last key, not at the moment somebody noticed", async () => {
  const { world } = await watching(9, "settop-21");
  const cut = world.host.clock.unix(world.now);
  world.settops["settop-21"].cutPower();
  await world.run(seconds(60));
  assert.deepEqual([live(world), usage(world)], [[], ["settop-21 one lapsed"]]);
  const [record] = world.control.rows("usage_record");
  assert.ok((record?.until ?? 0) <= cut + seconds(2 * KEY_INTERVAL));
});

test("the key server dies in mid-stream and starts again: the picture goes on, the record too, and keys change again", async () => {
  const { world, invariants } = await watching(10, "settop-11", "settop-31");
  const from = world.now;
  world.control.kill();
  await world.run(seconds(2.5 * KEY_INTERVAL));
  losesNothing(world, "settop-11", from);
  assert.equal(
    invariants.switchesAfter("one", later(from, seconds(KEY_INTERVAL))).length,
    0,
    "no acknowledgement, no switch",
  );
  await world.control.start();
  const back = world.now;
  await world.run(seconds(3 * KEY_INTERVAL));
  assert.ok(invariants.switchesAfter("one", back).length >= 2);
  losesNothing(world, "settop-11", from);
  losesNothing(world, "settop-31", from);
  assert.deepEqual([live(world), usage(world)], [["settop-11 one", "settop-31 one"], []]);
});

test("a server that dies before or after a commit answers nothing it has not kept, and the repeated stop leaves one record", async () => {
  for (const fate of ["dies-before", "dies-after", "full"] as const) {
    const { world, invariants } = await watching(11, "settop-21");
    world.control.fate = () => fate;
    world.stop("settop-21");
    await world.run(seconds(3));
    assert.equal(world.settops["settop-21"].journal.load().entries.length, 1, "not acknowledged yet");
    world.control.fate = () => "commits";
    if (!world.control.runs) await world.control.start();
    assert.ok(await world.until(() => world.settops["settop-21"].journal.load().entries.length === 0, seconds(60)));
    assert.deepEqual([live(world), usage(world)], [[], ["settop-21 one stopped"]], fate);
    invariants.checkEnd();
  }
});

test("the broker goes for half a minute: nobody's picture stops, and afterwards keys change again", async () => {
  const { world, invariants } = await watching(12, "settop-11", "settop-21");
  const from = world.now;
  world.host.broker.stop();
  await world.run(seconds(30));
  assert.ok(world.watches("settop-11", "one"));
  world.host.broker.start();
  const back = world.now;
  await world.run(seconds(3 * KEY_INTERVAL));
  assert.ok(invariants.switchesAfter("one", back).length >= 2);
  for (const settop of ["settop-11", "settop-21"] as const) losesNothing(world, settop, from);
});

test("a router that is killed and started again serves its viewers again without their doing", async () => {
  for (const router of ROUTER_NAMES) {
    const { world } = await watching(13, "settop-11", "settop-21", "settop-31");
    world.routers[router].kill();
    await world.run(seconds(3));
    await world.routers[router].start();
    const all = ["settop-11", "settop-21", "settop-31"] as const;
    const back = () => all.every((settop) => world.watches(settop, "one"));
    assert.ok(await world.until(back, seconds(5)), `${router}: within five seconds`);
  }
});

test("a headend that is killed and started again has a new key before it sends, and its viewers follow", async () => {
  const { world, invariants } = await watching(14, "settop-11", "settop-31");
  world.headend.kill();
  await world.run(seconds(4));
  assert.equal(world.settops["settop-11"].channels()[0]?.dark?.reason, "no-packets");
  await world.headend.start();
  const again = world.now;
  const both = () => (["settop-11", "settop-31"] as const).every((settop) => world.watches(settop, "one"));
  assert.ok(await world.until(both, seconds(5)), "within five seconds");
  assert.equal(invariants.switchesAfter("one", again).length, 1);
  for (const use of world.headend.keys.uses.values())
    assert.ok(use.first > again || use.last <= again, "an old key was not used again");
  invariants.checkEnd();
});
