import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { milliseconds, seconds } from "../../core/base/time.ts";
import type { MessageOf } from "../../core/control/messages.ts";
import { Recorder } from "../../core/settop/playout.testkit.ts";
import { diskFull } from "../../hal/journal/memory.ts";
import type { SettopConfig } from "./config.ts";
import { World } from "./scripted.testkit.ts";
import type { SettopService, TunedChannelStatus } from "./service.ts";

interface Status {
  readonly broker: string;
  readonly journal: string;
  readonly channels: readonly TunedChannelStatus[];
  readonly pendingStops: readonly unknown[];
  readonly messages: { readonly sent: Record<string, number>; readonly received: Record<string, number> };
  readonly drops: Record<string, number>;
}
const statusOf = (service: SettopService): Status => service.status() as Status;

function channelOf(service: SettopService): TunedChannelStatus {
  const [channel] = statusOf(service).channels;
  assert.ok(channel !== undefined, "tuned to nothing");
  return channel;
}

/** A picture, then `changes` key changes, 0.5 s apart in notice and switch. */
async function watchOver(world: World, changes: number): Promise<SettopService> {
  world.begin(1);
  const service = await world.start();
  await world.stream(milliseconds(500));
  for (let epoch = 2; epoch < 2 + changes; epoch++) {
    world.announce(epoch);
    await world.stream(milliseconds(500));
    world.switchTo(epoch);
    await world.stream(milliseconds(500));
  }
  return service;
}

/** What came out is what went in, octet for octet. */
function assertIdentical({ input, output }: World): void {
  assert.ok(Buffer.concat(output.packets).equals(Buffer.concat(input)), "what came out is not what went in");
}

/** As a text that can be looked up, one character an octet. */
const octetsOf = (packet: Uint8Array): string => Buffer.from(packet).toString("latin1");

test("25 key changes, a sequence wrap among them: what comes out is what went in, no packet lost or repeated", async () => {
  const world = new World();
  const service = await watchOver(world, 25);
  await world.pass(milliseconds(100));
  const { received, lost, duplicated, undecryptable, lastEpoch, dark, zapMs } = channelOf(service);
  assertIdentical(world);
  assert.deepEqual(
    { received, lost, duplicated, undecryptable },
    { received: world.input.length, lost: 0, duplicated: 0, undecryptable: 0 },
  );
  assert.equal(lastEpoch, 26);
  assert.equal(dark, undefined);
  assert.ok(zapMs !== undefined && zapMs < 100, `${zapMs}`);
  assert.ok(world.input.length > 5000);
  const { sent, received: got } = statusOf(service).messages;
  assert.deepEqual([sent["73"], sent["92"], got["76"], got["95"]], [1, 25, 1, 25]);
});

test("the same with a LAN that repeats and reorders: in order, byte for byte, every repetition counted", async () => {
  const world = new World({ duplicate: 0.05, reorder: 0.05, reorderBy: milliseconds(12) });
  const service = await watchOver(world, 20);
  await world.pass(milliseconds(200));
  const { duplicated, undecryptable, reordered, lost } = channelOf(service);
  assertIdentical(world);
  assert.deepEqual([lost, undecryptable], [0, 0]);
  assert.ok(duplicated > 50 && reordered > 50, `${duplicated} ${reordered}`);
});

test("the same with a LAN that loses: what comes out is a true part of what went in, and the rest is counted as lost", async () => {
  const world = new World({ loss: 0.02 });
  const service = await watchOver(world, 20);
  world.sendPacket();
  await world.pass(milliseconds(200));
  const { received, lost } = channelOf(service);
  const sent = new Set(world.input.map(octetsOf));
  const out = world.output.packets.map(octetsOf);
  assert.ok(out.every((packet) => sent.has(packet)));
  assert.equal(new Set(out).size, out.length);
  assert.equal(out.length, received);
  assert.ok(lost > 20 && Math.abs(received + lost - world.input.length) <= 2, `${received} + ${lost}`);
});

test("a key server that is away over five key changes that nobody makes: the old key goes on, nothing is lost", async () => {
  const world = new World();
  const service = await watchOver(world, 2);
  world.answering = () => undefined;
  for (let epoch = 4; epoch < 9; epoch++) {
    world.announce(epoch);
    await world.stream(milliseconds(1000));
  }
  assert.equal(channelOf(service).received, world.input.length);
  world.answering = (request) => world.grantOrAcknowledge(request);
  await world.stream(seconds(11));
  world.switchTo(8);
  await world.stream(milliseconds(500));
  await world.pass(milliseconds(100));
  assertIdentical(world);
});

test("a notice that is lost: the unknown epoch in the stream fetches the key", async () => {
  const world = new World();
  const service = await watchOver(world, 1);
  world.broker.faults = { ...world.broker.faults, loss: 1 };
  world.announce(3);
  await world.stream(milliseconds(500));
  world.broker.faults = { ...world.broker.faults, loss: 0 };
  world.switchTo(3);
  await world.stream(seconds(1));
  const { lastEpoch, undecryptable } = channelOf(service);
  assert.equal(lastEpoch, 3);
  // A packet each 5 ms: a quarter of a second until it counts as dark, 400 ms of the notices' window, and the way there and back.
  assert.ok(undecryptable > 0 && undecryptable < 160, `${undecryptable} packets in the dark`);
});

test("denied: ciphertext comes, nothing comes out, the group is left, and status says why in words", async () => {
  const world = new World();
  world.begin(1);
  world.answering = ({ id, channel }) => ({
    type: "key.denied",
    id,
    channel,
    reason: "not-entitled",
    text: "no package with it",
  });
  const service = await world.start();
  await world.stream(seconds(5));
  const { dark, datagrams, received, viewing } = channelOf(service);
  assert.deepEqual(dark, { reason: "not-entitled", text: "not-entitled: no package with it" });
  assert.ok(datagrams > 300 && datagrams < 500, `${datagrams} datagrams until the group was left`);
  assert.equal(received, 0);
  assert.equal(world.output.packets.length, 0);
  assert.equal(viewing.membership.kind, "left");
});

test("revoked in mid-view: nothing comes out after the denial", async () => {
  const world = new World();
  const service = await watchOver(world, 1);
  world.answering = ({ id, channel }) => ({ type: "key.denied", id, channel, reason: "device.revoked", text: "" });
  world.announce(3);
  await world.stream(milliseconds(500));
  const before = world.output.packets.length;
  world.switchTo(3);
  await world.stream(seconds(2));
  assert.equal(world.output.packets.length, before);
  assert.equal(channelOf(service).dark?.reason, "not-entitled");
});

test("every dark screen has its reason: no packets, broker away, no answer, server busy", async () => {
  const quiet = new World();
  quiet.begin(1);
  const watching = await quiet.start();
  await quiet.pass(seconds(1));
  assert.equal(channelOf(watching).dark?.reason, "no-packets");

  const cut = new World();
  cut.broker.stop();
  const alone = await cut.start();
  await cut.pass(seconds(1));
  assert.equal(channelOf(alone).dark?.reason, "broker-away");
  assert.equal(statusOf(alone).broker, "away");

  const silent = new World();
  silent.answering = () => undefined;
  const asking = await silent.start();
  await silent.pass(seconds(3));
  assert.equal(channelOf(asking).dark?.reason, "no-answer");

  const waiting = await new World().start();
  assert.equal(channelOf(waiting).dark?.reason, "server-busy");
});

test("packets under wrong keys are bad-tags; a resync is asked for and mends it", async () => {
  const world = new World();
  world.begin(1);
  world.answering = (request) => {
    const answer = world.grantOrAcknowledge(request);
    return answer?.type === "key.grant" ? { ...answer, position: { roc: 70, seq: 1, age: 0 } } : answer;
  };
  const service = await world.start();
  await world.stream(milliseconds(1000));
  await world.pass(seconds(2));
  await world.stream(milliseconds(100));
  assert.equal(channelOf(service).dark?.reason, "bad-tags");
  world.answering = (request) => world.grantOrAcknowledge(request);
  await world.stream(seconds(8));
  assert.equal(channelOf(service).dark, undefined);
  assert.ok(world.requests.some(({ reason }) => reason === "resync"));
  assert.ok(world.requests.length < 8, `${world.requests.length}`);
});

test("stop: groups left, 83 sent, and over only with the 86; the journal is empty then", async () => {
  const world = new World();
  const service = await watchOver(world, 1);
  const stopped = service.stop();
  await world.pass(milliseconds(100));
  await stopped;
  assert.equal(world.stops.length, 1);
  assert.equal(world.stops[0]?.cause, "stopped");
  assert.deepEqual(world.journal.load().entries, []);
  const before = world.output.packets.length;
  await world.stream(milliseconds(200));
  assert.equal(world.output.packets.length, before);
});

test("a stop without an acknowledgement ends within 1.5 s, stays in the journal, and is sent at the next start", async () => {
  const world = new World();
  const service = await watchOver(world, 1);
  world.answering = () => undefined;
  let ended = false;
  void service.stop().then(() => {
    ended = true;
  });
  await world.pass(milliseconds(1500));
  assert.ok(ended);
  assert.equal(world.journal.load().entries.length, 1);
  const reception = world.stops[0]?.reception;
  world.answering = (request) => world.grantOrAcknowledge(request);
  const again = await world.start({ tune: [] });
  await world.pass(milliseconds(100));
  const last = world.stops.at(-1);
  assert.equal(last?.cause, "power-lost");
  assert.deepEqual(last?.reception, reception);
  assert.ok((last?.endedAgo ?? 0) > 1000);
  assert.deepEqual(world.journal.load().entries, []);
  assert.deepEqual(statusOf(again).pendingStops, []);
});

test("a full disk: said in status, the viewing goes on, and the stop is still sent while the device lives", async () => {
  const world = new World();
  world.journal.failing = diskFull();
  const service = await watchOver(world, 2);
  assert.match(statusOf(service).journal, /^journal\.disk-full/);
  assert.equal(channelOf(service).received, world.input.length);
  const stopped = service.stop();
  await world.pass(milliseconds(100));
  await stopped;
  assert.equal(world.stops.length, 1);
});

test("a broker that goes away and comes back in mid-stream costs no packet", async () => {
  const world = new World();
  const service = await watchOver(world, 2);
  world.broker.stop();
  await world.stream(seconds(2));
  assert.equal(statusOf(service).broker, "away");
  world.broker.start();
  await world.stream(seconds(2));
  world.announce(4);
  await world.stream(milliseconds(800));
  world.switchTo(4);
  await world.stream(milliseconds(500));
  await world.pass(milliseconds(100));
  assert.equal(statusOf(service).broker, "connected");
  assertIdentical(world);
});

test("commands say why they were not done", async () => {
  const world = new World();
  world.begin(1);
  const channels = [
    { id: "one", group: 0xefff4d01 as never, port: 5004 },
    { id: "two", group: 0xefff4d02 as never, port: 5004 },
  ];
  const output = { form: "udp", to: 0x7f000001 as never, port: 5004, interfaceAddress: 0 as never, ttl: 1 } as const;
  const service = await world.start({ channels, output });
  assert.match(service.tune("none") ?? "", /no such channel/);
  assert.match(service.tune("one") ?? "", /already/);
  assert.match(service.tune("two") ?? "", /udp 127\.0\.0\.1:5004 is in use by one/);
  assert.equal(service.zap("two", undefined), undefined);
  assert.match(service.stopViewing("one") ?? "", /not being received/);
  assert.equal(service.stopViewing(undefined), undefined);
  await world.pass(milliseconds(100));
  assert.deepEqual(statusOf(service).channels, []);
  assert.equal(world.stops.length, 2);
});

test("a reload keeps what is viewed, even when somebody has zapped away from `tune`, and begins what is new there", async () => {
  const world = new World();
  world.begin(1);
  const channels = [1, 2, 3].map((n) => ({ id: `c${n}`, group: (0xefff4d00 + n) as never, port: 5004 }));
  const config = { channels, tune: ["c1"] };
  const service = await world.start(config);
  assert.equal(service.zap("c2", undefined), undefined);
  const reload = (tune: readonly string[], some = channels): Promise<void> =>
    service.reload({ ...world.config(config), tune, channels: some });
  await reload(["c1"]);
  assert.deepEqual(
    statusOf(service).channels.map(({ channel }) => channel),
    ["c2"],
  );
  await reload(["c1", "c3"]);
  assert.deepEqual(
    statusOf(service).channels.map(({ channel }) => channel),
    ["c2", "c3"],
  );
  await reload(["c1", "c3"], channels.slice(2));
  assert.deepEqual(
    statusOf(service).channels.map(({ channel }) => channel),
    ["c3"],
  );
});

test("a reload gives a channel another output from its next viewing on; an output that is of no use any more is closed", async () => {
  const world = new World();
  world.begin(1);
  const open: string[] = [];
  world.outputs.open = (choice) => {
    const name = choice.form === "file" ? choice.path : choice.form;
    open.push(name);
    return Object.assign(new Recorder(), {
      close: async () => {
        open.splice(open.indexOf(name), 1);
      },
    });
  };
  const channel = (id: string, group: number, path: string) => ({
    id,
    group: group as never,
    port: 5004,
    output: { form: "file" as const, path },
  });
  const [one, two] = [channel("one", 0xefff4d01, "/a"), channel("two", 0xefff4d02, "/b")];
  const config = { channels: [one, two], tune: ["one"] };
  const service = await world.start(config);
  const moved = { channels: [channel("one", 0xefff4d01, "/c"), channel("two", 0xefff4d02, "/a")], tune: ["one"] };
  await service.reload({ ...world.config(moved) });
  assert.deepEqual(open, ["/a", "/c"], "/a is being written to, /b is not in the configuration");
  assert.match(service.tune("two") ?? "", /the output file \/a is in use by one/);
  assert.equal(service.zap("two", "one"), undefined);
  assert.equal(service.tune("one"), undefined, "now to /c");
  await service.reload({ ...world.config({ ...moved, channels: moved.channels.slice(0, 1) }) });
  assert.deepEqual(open, ["/c"]);
});

test("forged, foreign and truncated datagrams are dropped by name and never come out", async () => {
  const world = new World();
  const service = await watchOver(world, 1);
  const before = world.output.packets.length;
  const grants = world.requests.length;
  await world.attack(world.stranger(), 5000);
  await world.pass(milliseconds(100));
  assert.equal(world.output.packets.length, before);
  const { drops } = channelOf(service);
  for (const name of ["rtp.truncated", "rtp.version", "srtp.ssrc", "srtp.unknown-mki"])
    assert.ok((drops[name] ?? 0) > 0, `${name} in ${JSON.stringify(drops)}`);
  assert.ok(world.requests.length - grants <= 2, "a flood of unknown epochs is one or two requests");
  await world.stream(milliseconds(500));
  assert.equal(world.output.packets.length, before + 100);
});

/** Over three keys a rogue member sends twenty times, whatever the next packets of the stream are. */
async function watchWithRogue(world: World, more: Partial<SettopConfig> = {}): Promise<SettopService> {
  const rogue = world.stranger();
  world.begin(1);
  const service = await world.start(more);
  await world.stream(milliseconds(500));
  for (const epoch of [1, 2, 3]) {
    for (let i = 0; i < 7; i++) {
      await world.inject(rogue, epoch, ROGUE, 20);
      await world.stream(milliseconds(100));
    }
    world.announce(epoch + 1);
    await world.stream(milliseconds(500));
    world.switchTo(epoch + 1);
  }
  await world.stream(milliseconds(500));
  await world.pass(milliseconds(300));
  return service;
}

const ROGUE = 0xee;
const forgedIn = ({ output }: World): number =>
  output.packets.filter((packet) => packet.every((octet) => octet === ROGUE)).length;

test("a signed channel, and a rogue member of its group: what comes out is what went in, over changes of key", async () => {
  const world = new World({ duplicate: 0.05, reorder: 0.05, reorderBy: milliseconds(12) });
  world.signs();
  const service = await watchWithRogue(world);
  assertIdentical(world);
  const { lost, undecryptable, authentication, lastEpoch, zapMs } = channelOf(service);
  assert.deepEqual({ lost, undecryptable, lastEpoch }, { lost: 0, undecryptable: 0, lastEpoch: 4 });
  assert.ok((authentication?.uncovered ?? 0) >= 21 * 40, JSON.stringify(authentication));
  assert.ok(zapMs !== undefined && zapMs < 200, `${zapMs}`);
});

test("the same member, where the channel is not signed or nobody looks: its packets come out, the stream's own do not", async () => {
  const plain = new World();
  await watchWithRogue(plain);
  assert.ok(forgedIn(plain) > 0);
  const blind = new World();
  blind.signs();
  await watchWithRogue(blind, { authentication: "off" });
  assert.ok(forgedIn(blind) > 0);
});

test("flagged: the rogue's packets may come out, and are counted", async () => {
  const world = new World();
  world.signs();
  const service = await watchWithRogue(world, { authentication: "flag" });
  assert.ok((channelOf(service).authentication?.uncovered ?? 0) >= 21 * 40);
});

const isStop = (m: MessageOf<"stop"> | MessageOf<"key.request">): boolean => m.type === "stop";

test("a reception that the server has ended (lapsed) begins anew in mid-stream without losing a packet", async () => {
  const world = new World();
  await watchOver(world, 1);
  const first = world.requests[0]?.reception;
  world.answering = (request) => {
    const { id, channel } = request;
    const old = first !== undefined && toHex(request.reception) === toHex(first);
    if (old && !isStop(request)) return { type: "key.denied", id, channel, reason: "reception.ended", text: "" };
    return world.grantOrAcknowledge(request);
  };
  world.announce(3);
  await world.stream(milliseconds(600));
  world.switchTo(3);
  await world.stream(milliseconds(500));
  await world.pass(milliseconds(100));
  assertIdentical(world);
  assert.notEqual(toHex(world.requests.at(-1)?.reception ?? new Uint8Array(0)), toHex(first ?? new Uint8Array(0)));
});
