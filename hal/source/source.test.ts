// Paced sources on a simulated clock: what is sent when, and what happens when the producer or the kernel pauses.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { type Instant, milliseconds } from "../../core/base/time.ts";
import { TS_PAYLOAD } from "../../core/headend/stream-path.ts";
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
  assert.deepEqual(bench.source.status(), { input: "test", taken: 4, restarts: 1 });
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

test("a looped file goes on at its start after its last whole unit; one shorter than a unit has ended", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-octets-"));
  const path = join(folder, "x");
  writeFileSync(path, Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
  const into = new Uint8Array(9);
  const looped = await openFile(path, true, 3);
  let filled = 0;
  while (filled < into.length) filled += await looped.read(into, filled);
  assert.deepEqual([...into], [1, 2, 3, 4, 5, 6, 1, 2, 3]);
  await looped.close();
  const short = await openFile(path, true, 8);
  assert.equal(await short.read(into, 0), 0);
  await short.close();
  const once = await openFile(path, false, 1);
  assert.equal(await once.read(into, 0), 7);
  assert.equal(await once.read(into, 0), 0);
  await once.close();
  rmSync(folder, { recursive: true });
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
