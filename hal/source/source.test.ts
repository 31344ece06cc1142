// Paced sources on a simulated clock: what is sent when, and what happens when the producer or the kernel pauses.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { type TestContext, test } from "node:test";
import { type Instant, milliseconds } from "../../core/base/time.ts";
import { TS_PAYLOAD } from "../../core/mpegts/packet.ts";
import type { HalError } from "../../core/ports/errors.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { fromStream, type Octets, openFile } from "./octets.ts";
import { PacedSource } from "./paced.ts";

/** Lets every promise that can go on go on. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A producer that is told when to give how much. */
class Producer implements Octets {
  #waiting: { readonly room: number; readonly give: (octets: number) => void } | undefined;
  closed = false;

  read(into: Uint8Array, at: number): Promise<number> {
    return new Promise((give) => {
      this.#waiting = { room: into.length - at, give };
    });
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  async give(octets: number): Promise<void> {
    assert.ok(this.#waiting !== undefined && octets <= this.#waiting.room);
    const { give } = this.#waiting;
    this.#waiting = undefined;
    give(octets);
    await settle();
  }
}

class Bench {
  readonly clock = new SimulatedClock();
  readonly producer = new Producer();
  readonly sent: { readonly at: number; readonly length: number }[] = [];
  readonly source: PacedSource;
  hasRoom = true;
  ended = 0;
  failures: HalError[] = [];

  /** One unit of 1316 octets takes 10 ms. */
  constructor(bitrate = 1_052_800) {
    const options = { name: "test", content: "datagram", bitrate } as const;
    this.source = new PacedSource(options, this.producer, this.clock, this, {
      failed: (error) => this.failures.push(error),
      ended: () => this.ended++,
    });
    this.source.start();
  }

  datagram(): void {
    assert.fail("a paced source has no datagrams");
  }

  payload(now: Instant, _from: Uint8Array, start: number, end: number): void {
    this.sent.push({ at: Math.round(now), length: end - start });
  }

  async run(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    while (this.clock.now() < end) {
      this.clock.run(milliseconds(1));
      await settle();
    }
  }

  get times(): readonly number[] {
    return this.sent.map(({ at }) => at);
  }
}

/** A file of these octets, for the length of the test. */
function fileOf(t: TestContext, octets: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-octets-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "x");
  writeFileSync(path, octets);
  return path;
}

test("units leave when they are due, the rest at the end, and the end is told once", async () => {
  const bench = new Bench();
  await settle();
  await bench.producer.give(3 * TS_PAYLOAD + 100);
  await bench.run(25);
  assert.deepEqual(bench.times, [0, 10, 20]);
  await bench.producer.give(0);
  await bench.run(10);
  assert.deepEqual(bench.sent.at(-1), { at: 30, length: 100 });
  assert.equal(bench.ended, 1);
  assert.equal(bench.producer.closed, true);
});

test("a producer that pauses longer than a second does not cause a burst: the time is set anew", async () => {
  const bench = new Bench();
  await settle();
  await bench.producer.give(TS_PAYLOAD);
  await bench.run(5000);
  await bench.producer.give(3 * TS_PAYLOAD);
  await bench.run(30);
  assert.deepEqual(bench.times, [0, 5000, 5010, 5020]);
  assert.deepEqual(bench.source.status(), { input: "test", taken: 4, restarts: 1, "source.lost-sync": 0 });
  bench.source.stop();
});

test("a producer that is a little late is caught up with", async () => {
  const bench = new Bench();
  await settle();
  await bench.producer.give(TS_PAYLOAD);
  await bench.run(35);
  await bench.producer.give(5 * TS_PAYLOAD);
  await bench.run(20);
  assert.deepEqual(bench.times, [0, 35, 35, 35, 40, 50]);
  bench.source.stop();
});

test("while nothing can be taken (no epoch yet) the source waits and loses nothing", async () => {
  const bench = new Bench();
  bench.hasRoom = false;
  await settle();
  await bench.producer.give(2 * TS_PAYLOAD);
  await bench.run(100);
  assert.deepEqual(bench.times, []);
  bench.hasRoom = true;
  await bench.run(20);
  assert.deepEqual(bench.times, [102, 112]);
  bench.source.stop();
});

test("stopped while it waits: it sends nothing more, closes its input, and tells no end", async () => {
  const bench = new Bench();
  await settle();
  await bench.producer.give(10 * TS_PAYLOAD);
  await bench.run(15);
  bench.source.stop();
  await settle();
  await bench.run(1000);
  assert.deepEqual(bench.times, [0, 10]);
  assert.equal(bench.ended, 0);
  assert.equal(bench.producer.closed, true);
  assert.equal(bench.clock.nextAlarm(), undefined);
});

/** TS packets that name their number, `spacing` apart. */
function numbered(packets: number, spacing = 188): Uint8Array {
  const stream = new Uint8Array(packets * spacing);
  for (let i = 0; i < packets; i++) stream.set([0x47, 0x1f, 0xff, 0x10, i >>> 8, i & 255], i * spacing);
  return stream;
}

/** Plays `parts`, one at each read, at 100 Mbit/s: what was sent, as numbers of packets, and what went wrong. */
async function played(...parts: Uint8Array[]) {
  const clock = new SimulatedClock();
  const packets: number[] = [];
  const failures: HalError[] = [];
  const octets: Octets = {
    read: async (into, at) => {
      const part = parts.shift();
      if (part !== undefined) into.set(part, at);
      return part?.length ?? 0;
    },
    close: async () => {},
  };
  const payload = (_now: Instant, from: Uint8Array, start: number, end: number): void => {
    for (let at = start; at < end; at += 188) {
      assert.equal(from[at], 0x47);
      packets.push(((from[at + 4] ?? 0) << 8) | (from[at + 5] ?? 0));
    }
  };
  const intake = { payload, datagram: assert.fail, hasRoom: true };
  let ended = false;
  const source = new PacedSource({ name: "test", content: "ts", bitrate: 100_000_000 }, octets, clock, intake, {
    failed: (error) => failures.push(error),
    ended: () => {
      ended = true;
    },
  });
  source.start();
  for (let i = 0; i < 500 && !ended && failures.length === 0; i++) {
    await settle();
    clock.run(milliseconds(1));
  }
  return { packets, failures, status: source.status() as { "source.lost-sync": number } };
}

const range = (from: number, to: number): readonly number[] => Array.from({ length: to - from }, (_, i) => from + i);
const joined = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

test("a transport stream that is joined off its sync is sent from its first whole packet on, however it trickles in", async () => {
  const stream = numbered(40);
  for (const off of [1, 100, 187]) {
    const whole = await played(stream.subarray(off));
    assert.deepEqual(whole.packets, range(1, 40));
    const trickled = await played(...range(0, 38).map((i) => stream.subarray(Math.max(off, i * 200), i * 200 + 200)));
    assert.deepEqual(trickled.packets, range(1, 40));
    assert.equal(trickled.status["source.lost-sync"], 188 - off);
  }
});

test("leading rubbish that fills the first reads is no reason to give up", async () => {
  const { packets, failures } = await played(new Uint8Array(3000), new Uint8Array(1500), numbered(20));
  assert.deepEqual([packets, failures], [range(0, 20), []]);
});

test("octets that are missing, added or damaged in mid-stream cost the packets they hit, not the rest: source.lost-sync", async () => {
  const stream = numbered(60);
  const cut = 20 * 188;
  const added = await played(joined(stream.subarray(0, cut), new Uint8Array(77), stream.subarray(cut)));
  assert.deepEqual(added.packets, range(0, 60));
  assert.equal(added.status["source.lost-sync"], 77);
  const damaged = stream.slice();
  damaged[cut] = 0;
  assert.deepEqual((await played(damaged)).packets, [...range(0, 20), ...range(21, 60)]);
  const missing = await played(joined(stream.subarray(0, cut + 6), stream.subarray(cut + 100)));
  assert.deepEqual([missing.packets.slice(0, 21), missing.packets.slice(21)], [range(0, 21), range(22, 60)]);
});

test("source.not-ts names packets of 192 and 204 octets, and says what is no transport stream at all", async () => {
  for (const [stream, said] of [
    [numbered(400, 192), /192-octet packets/],
    [numbered(400, 204), /204-octet packets/],
    [new Uint8Array(70_000), /no transport stream/],
  ] as const) {
    const [failure] = (await played(stream)).failures;
    assert.equal(failure?.code, "source.not-ts");
    assert.match(failure?.message ?? "", said);
  }
});

test("a file gives its octets to its end, and again after it was rewound; only a looped one can be", async (t) => {
  const path = fileOf(t, Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
  const into = new Uint8Array(9);
  const looped = await openFile(path, true);
  assert.equal(await looped.read(into, 4), 5);
  assert.equal(await looped.read(into, 0), 2);
  assert.deepEqual([...into.subarray(0, 2)], [6, 7]);
  assert.equal(await looped.read(into, 0), 0);
  looped.rewind?.();
  assert.equal(await looped.read(into, 0), 7);
  await looped.close();
  const once = await openFile(path, false);
  assert.equal(once.rewind, undefined);
  await once.close();
});

test("a stream gives its octets in order whatever the room, then its end; one that breaks is a HalError", async () => {
  const stream = new PassThrough();
  const octets = fromStream(stream);
  stream.write(Uint8Array.of(1, 2, 3, 4, 5));
  const into = new Uint8Array(3);
  assert.equal(await octets.read(into, 1), 2);
  assert.equal(await octets.read(into, 0), 3);
  assert.deepEqual([...into], [3, 4, 5]);
  stream.destroy(new Error("EIO"));
  await assert.rejects(octets.read(into, 0), { code: "source.stdin", message: /EIO/ });
  const ended = new PassThrough();
  ended.end();
  assert.equal(await fromStream(ended).read(into, 0), 0);
});
