import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { type Made, tsPacket } from "../../core/mpegts/packet.testkit.ts";
import { TS_PACKET } from "../../core/mpegts/packet.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Output } from "../../core/ports/output.ts";
import { NodeDatagrams } from "../datagram/node.ts";
import { FileSink } from "./file-sink.ts";
import { openOutput } from "./open.ts";
import { type ByteSink, QueuedOutput } from "./queued.ts";

const scratch = mkdtempSync(join(tmpdir(), "st-output-"));
after(() => rmSync(scratch, { recursive: true }));
const datagrams = new NodeDatagrams();
const turn = () => new Promise((resolve) => setImmediate(resolve));
const nobody = (): void => {};

async function until(condition: () => boolean): Promise<void> {
  const limit = performance.now() + 3000;
  while (!condition() && performance.now() < limit) await turn();
  assert.ok(condition(), "what was waited for did not come");
}

const HEADER = 12;
/** One buffer, overwritten for each packet, as the receive buffer is. */
const scratchPacket = new Uint8Array(2000);
function put(output: Output, fill: number, length = 1316): boolean {
  scratchPacket.fill(0x80, 0, HEADER).fill(fill, HEADER, HEADER + length);
  const taken = output.write(scratchPacket, HEADER + length, HEADER, HEADER + length);
  scratchPacket.fill(0xa5);
  return taken;
}

function putTs(output: Output, packets: readonly Made[]): boolean {
  for (const [i, made] of packets.entries()) scratchPacket.set(tsPacket(made), HEADER + i * TS_PACKET);
  const end = HEADER + packets.length * TS_PACKET;
  return output.write(scratchPacket, end, HEADER, end);
}

for (const form of ["udp", "rtp"] as const) {
  test(`${form} hands on ${form === "udp" ? "the payload" : "the whole packet"}, in order, whatever becomes of the buffer`, async () => {
    const got: Uint8Array[] = [];
    const player = await datagrams.open(
      { address: address("127.0.0.1"), port: 0 },
      { datagram: (payload) => got.push(payload.slice()), failed: nobody },
    );
    const to = { form, to: address("127.0.0.1"), port: player.port, interfaceAddress: address("0.0.0.0"), ttl: 1 };
    const output = await openOutput(datagrams, to, nobody);
    for (let n = 0; n < 50; n++) put(output, n);
    await until(() => got.length === 50);
    const skip = form === "udp" ? 0 : HEADER;
    for (const [n, payload] of got.entries()) {
      assert.equal(payload.length, skip + 1316);
      assert.ok(payload.subarray(skip).every((octet) => octet === n));
    }
    assert.equal(output.status().packets, 50);
    await output.close();
    put(output, 1);
    assert.deepEqual(output.status().drops, { "output.closed": 1 });
    player.close();
  });
}

test("a burst larger than the ring of buffers is output.backlog, and the output recovers", async () => {
  const to = { form: "udp", to: address("127.0.0.1"), port: 9, interfaceAddress: address("0.0.0.0"), ttl: 1 } as const;
  const output = await openOutput(datagrams, to, nobody);
  for (let n = 0; n < 300; n++) put(output, n);
  assert.equal(output.status().drops["output.backlog"], 44);
  await until(() => output.status().packets === 256);
  put(output, 1);
  await until(() => output.status().packets === 257);
  await output.close();
});

test("a file is appended to, and holds exactly the payloads", async () => {
  const path = join(scratch, "out.ts");
  for (let run = 0; run < 2; run++) {
    const output = await openOutput(datagrams, { form: "file", path }, nobody);
    for (let n = 0; n < 500; n++) put(output, n);
    await output.close();
  }
  const bytes = readFileSync(path);
  assert.equal(bytes.length, 2 * 500 * 1316);
  for (let n = 0; n < 1000; n++) assert.equal(bytes[n * 1316 + 7], (n % 500) & 255);
});

test("a file that may not be made is refused by name when it is opened", async () => {
  const refused = openOutput(datagrams, { form: "file", path: join(scratch, "none", "x") }, nobody);
  await assert.rejects(refused, (error) => error instanceof HalError && error.code === "output.failed");
});

test("a full disk is output.disk-full in status, and costs packets, not the process", async () => {
  const output = new QueuedOutput("file", FileSink.append("/dev/full"));
  put(output, 1);
  await until(() => output.status().fault !== undefined);
  assert.match(output.status().fault ?? "", /^output\.disk-full/);
  assert.equal(output.status().drops["output.failed"], 1);
  await output.close();
});

/** Reads nothing until told. */
class SlowSink implements ByteSink {
  readonly written: number[] = [];
  #done: (() => void) | undefined;

  state(): "ready" {
    return "ready";
  }

  fault(): undefined {
    return undefined;
  }

  write(chunk: Uint8Array, done: () => void): void {
    this.written.push(chunk.length);
    this.#done = done;
  }

  async close(): Promise<void> {}

  /** Takes what it was given. */
  release(): void {
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }
}

test("a reader that stands still costs packets (output.backlog) and at most 2 MiB, and gets the rest in order afterwards", async () => {
  const sink = new SlowSink();
  const output = new QueuedOutput("slow", sink);
  const taken = Array.from({ length: 4000 }, (_, n) => put(output, n)).filter((was) => was).length;
  await turn();
  assert.ok(taken * 1316 <= 2 * 1024 * 1024);
  assert.deepEqual(output.status().drops, { "output.backlog": 4000 - taken });
  assert.equal(output.status().packets, 0, "what is queued is not delivered");
  for (let n = 0; n < 32; n++) sink.release();
  assert.equal(
    sink.written.reduce((sum, length) => sum + length, 0),
    taken * 1316,
  );
  assert.equal(output.status().packets, taken);
  assert.equal(put(output, 1), true);
});

test("a reader that was too slow gets what is queued whole, and then the stream from a random access point on; status says so", async () => {
  const sink = new SlowSink();
  const output = new QueuedOutput("slow", sink);
  const frame = (n: number, marked: boolean): boolean =>
    putTs(output, [
      { pid: 0x101, randomAccess: true, fill: n & 255 },
      { pid: 0x100, ...(n % 10 === 0 ? { pcr: n } : {}), randomAccess: marked, fill: n & 255 },
    ]);
  let queued = 0;
  while (frame(queued, false)) queued++;
  assert.match(output.status().fault ?? "", /^output\.backlog: .* too slow/);
  await turn();
  for (let n = 0; n < 23; n++) sink.release();
  assert.equal(frame(0, true), false, "the reader has not caught up yet");
  for (let n = 0; n < 9; n++) sink.release();
  assert.equal(output.status().packets, queued);
  for (let n = 0; n < 25; n++) assert.equal(frame(n, false), false);
  assert.match(output.status().fault ?? "", /too slow/);
  assert.equal(frame(30, true), true);
  assert.equal(frame(31, false), true);
  assert.equal(output.status().fault, undefined);
  assert.deepEqual(output.status().drops, { "output.backlog": 1 + 1 + 25 });
});

test("a stream that marks no random access points goes on after 8 MiB", () => {
  const sink = new SlowSink();
  const output = new QueuedOutput("slow", sink);
  const frame = (): boolean => putTs(output, Array(7).fill({ pid: 0x100 }));
  while (frame());
  output.status();
  return turn().then(() => {
    for (let n = 0; n < 32; n++) sink.release();
    let dropped = 0;
    while (!frame()) dropped++;
    assert.equal(dropped, Math.floor((8 << 20) / 1316));
  });
});

test("packets of a chunk that cannot be written are each counted as output.failed, and none as written", async () => {
  const output = new QueuedOutput("file", FileSink.append("/dev/full"));
  for (let n = 0; n < 10; n++) put(output, n);
  await until(() => output.status().fault !== undefined);
  assert.deepEqual([output.status().packets, output.status().drops], [0, { "output.failed": 10 }]);
  await output.close();
});

test("closing does not wait for ever for a reader that stands still", async () => {
  const output = new QueuedOutput("slow", new SlowSink());
  put(output, 1);
  const started = performance.now();
  await output.close();
  assert.ok(performance.now() - started < 1000);
});

test("a FIFO without a reader drops and says so; a reader that comes gets whole packets; one that goes is noticed", async () => {
  const path = join(scratch, "fifo");
  execFileSync("mkfifo", [path]);
  const output = await openOutput(datagrams, { form: "file", path }, nobody);
  put(output, 1);
  assert.deepEqual(output.status().drops, { "output.no-reader": 1 });
  assert.match(output.status().fault ?? "", /has no reader/);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  await until(() => {
    put(output, 2);
    return output.status().packets > 0;
  });
  const got = Buffer.alloc(1316);
  let length = 0;
  await until(() => {
    length += tryRead(reader, got, length);
    return length === 1316;
  });
  assert.ok(got.every((octet) => octet === 2));
  closeSync(reader);
  await until(() => {
    put(output, 3);
    return /no reader/.test(output.status().fault ?? "");
  });
  await output.close();
  assert.ok(statSync(path).isFIFO());
});

test("a FIFO in whose place a file has been put is a fault, and no descriptor of it stays open", async () => {
  const path = join(scratch, "was-fifo");
  execFileSync("mkfifo", [path]);
  const output = await openOutput(datagrams, { form: "file", path }, nobody);
  rmSync(path);
  writeFileSync(path, "");
  put(output, 1);
  assert.match(output.status().fault ?? "", /cannot open .*was-fifo/);
  assert.deepEqual(output.status().drops, { "output.failed": 1 });
  const open = readdirSync("/proc/self/fd").filter((name) => linkOf(name) === path);
  assert.deepEqual(open, []);
  await output.close();
});

test("a file that is closed while a write hangs keeps its descriptor for as long, and no longer", async () => {
  const path = join(scratch, "hangs");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const descriptor = openSync(path, constants.O_WRONLY);
  const sink = new FileSink(path, descriptor, true);
  const chunk = new Uint8Array(1 << 20);
  const written = new Promise((resolve) => sink.write(chunk, resolve));
  const got = Buffer.alloc(chunk.length);
  let length = 0;
  await until(() => {
    length += tryRead(reader, got.subarray(0, 1), 0);
    return length > 0;
  });
  await sink.close();
  assert.equal(linkOf(`${descriptor}`), path);
  await until(() => {
    length += tryRead(reader, got, 0);
    return length === chunk.length;
  });
  await written;
  await until(() => linkOf(`${descriptor}`) !== path);
  closeSync(reader);
});

/** "" for the descriptor of the folder, which is closed. */
function linkOf(name: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${name}`);
  } catch {
    return "";
  }
}

/** 0 while nothing is there. */
function tryRead(descriptor: number, into: Buffer, at: number): number {
  try {
    return readSync(descriptor, into, at, into.length - at, null);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
    throw error;
  }
}

const PROGRAM = `
import { openOutput } from ${JSON.stringify(new URL("./open.js", import.meta.url).href)};
const output = await openOutput({}, { form: "stdout" }, () => process.exit(42));
const packet = new Uint8Array(1328);
let n = 0;
const timer = setInterval(() => {
  for (let i = 0; i < 50; i++) output.write(packet.fill(n++ & 255), 1328, 12, 1328);
  if (n >= 2000 && process.argv[1] === "all") {
    clearInterval(timer);
    output.close().then(() => process.exit(n === output.status().packets ? 0 : 1));
  }
}, 1);
`;

test("standard output to a pipe: every packet arrives when the reader keeps up", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM, "all"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let octets = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    octets += chunk.length;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.deepEqual([code, octets], [0, 2000 * 1316]);
});

test("standard output whose reader has gone is told once, not a crash by SIGPIPE or EPIPE", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM, "for-ever"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.stdout.once("data", () => child.stdout.destroy());
  assert.equal(await new Promise((resolve) => child.once("exit", resolve)), 42);
});

test("null counts and keeps nothing", async () => {
  const output = await openOutput(datagrams, { form: "null" }, nobody);
  put(output, 1);
  assert.deepEqual(output.status(), { driver: "null", packets: 1, octets: 1316, drops: {}, fault: undefined });
  await output.close();
});
