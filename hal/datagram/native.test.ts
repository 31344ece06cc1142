// What the native driver does beyond the contract: whole batches in order, overflows counted, and a kernel that takes no more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../../core/base/fuzz.testkit.ts";
import { ANY, address } from "../../core/base/ipv4.ts";
import type { DatagramListener } from "../../core/ports/datagrams.ts";
import { SEND_BATCH, SEND_ROW, type SocketsModule } from "../native/sockets.ts";
import { loadSockets } from "../native.ts";
import { NativeDatagrams } from "./native.ts";
import { SendQueue } from "./send-queue.ts";

const LOCAL = address("127.0.0.1");
const [EAGAIN, EINVAL, ENETUNREACH] = [11, 22, 101];
const datagrams = await NativeDatagrams.load();

const DEAF: DatagramListener = { datagram() {}, failed: assert.fail };

/** Waits for what the kernel has queued; a generous limit ends it. */
async function until(condition: () => boolean): Promise<void> {
  const limit = performance.now() + 5000;
  while (!condition() && performance.now() < limit) await new Promise((resolve) => setImmediate(resolve));
}

fuzz(
  "datagrams of any lengths, by the batch and as segments of one, come whole and in order",
  { seed: 1, rounds: 300 },
  async (pass) => {
    const heard: Uint8Array[] = [];
    const receiver = await datagrams.open(
      { address: LOCAL, port: 0, receiveBuffer: 1 << 22 },
      { ...DEAF, datagram: (payload) => void heard.push(payload.slice()) },
    );
    const sender = await datagrams.open({ address: LOCAL, port: 0 }, DEAF);
    const sent: Uint8Array[] = [];
    let told = 0;
    for (let length = 1316; sent.length < pass.rounds; ) {
      if (pass.below(4) === 0) length = [0, 1, 188, 1316, 1500, 9000][pass.below(6)] ?? 0;
      const payload = pass.entropy.bytes(length);
      sent.push(payload.slice());
      sender.send(payload, LOCAL, receiver.port, (error) => {
        assert.equal(error, undefined);
        told++;
      });
      // It is the caller's again.
      payload.fill(0);
      if (pass.below(10) === 0) await until(() => heard.length === sent.length);
    }
    await until(() => heard.length === sent.length);
    assert.equal(told, sent.length);
    assert.deepEqual(heard, sent);
    for (const socket of [sender, receiver]) socket.close();
  },
);

test("what finds no room in the kernel's queue is counted, and still after the socket is closed", async () => {
  let heard = 0;
  const receiver = await datagrams.open(
    { address: LOCAL, port: 0, receiveBuffer: 4096 },
    { ...DEAF, datagram: () => void heard++ },
  );
  const sender = await datagrams.open({ address: LOCAL, port: 0 }, DEAF);
  for (let i = 0; i < 100; i++) sender.send(new Uint8Array(1316), LOCAL, receiver.port);
  sender.close();
  assert.ok(receiver.overflows() !== undefined && Number(receiver.overflows()) > 50);
  await until(() => heard + Number(receiver.overflows()) === 100);
  receiver.close();
  assert.equal(heard + Number(receiver.overflows()), 100);
});

test("a listener that closes its socket hears nothing more of the same batch", async () => {
  let heard = 0;
  const receiver = await datagrams.open(
    { address: LOCAL, port: 0 },
    {
      ...DEAF,
      datagram: () => {
        heard++;
        receiver.close();
      },
    },
  );
  const sender = await datagrams.open({ address: LOCAL, port: 0 }, DEAF);
  for (let i = 0; i < 5; i++) sender.send(new Uint8Array(10), LOCAL, receiver.port);
  sender.close();
  await until(() => heard > 0);
  assert.equal(heard, 1);
});

test("sendBatch takes no datagram from outside the octets, nor more than there are rows", async () => {
  const native = await loadSockets("test");
  const to = Buffer.alloc(16);
  const octets = new Uint8Array(10);
  const call = (rows: readonly number[], first: number, count: number) => () =>
    native.sendBatch(0, octets, Int32Array.from(rows), first, count, to, 1);
  const wrong = [
    call([0, 11], 0, 1),
    call([-1, 5], 0, 1),
    call([5, 4], 0, 1),
    call([0, 5], 0, 2),
    call([0, 5], 1, 1),
    call([0, 5], 2 ** 31 - 1, 1),
    call([0, 5], 0, 0),
    call(Array(2 * (SEND_BATCH + 1)).fill(0), 0, SEND_BATCH + 1),
    call([0, 2 ** 31 - 1], 0, 1),
  ];
  for (const act of wrong) assert.throws(act, TypeError);
});

/** A kernel that answers each `sendBatch` as it is told, and at last takes everything. */
class ScriptedKernel {
  readonly taken: number[] = [];
  readonly asked: { readonly count: number; readonly inSegments: number }[] = [];
  waits = 0;
  readonly answers: number[];

  constructor(...answers: number[]) {
    this.answers = answers;
  }

  readonly module = {
    sendBatch: (
      _fd: number,
      octets: Uint8Array,
      rows: Int32Array,
      first: number,
      count: number,
      _to: Uint8Array,
      inSegments: number,
    ) => {
      this.asked.push({ count, inSegments });
      const taken = this.answers.shift() ?? count;
      for (let i = 0; i < taken; i++) this.taken.push(octets[rows[SEND_ROW * (first + i)] ?? 0] ?? -1);
      return taken;
    },
    awaitRoom: () => {
      this.waits++;
      return 0;
    },
  } as unknown as SocketsModule;
}

/** A queue of `count` datagrams numbered from 0, flushed, and what was told of each. */
function queued(kernel: ScriptedKernel, count: number) {
  const told = new Map<number, string>();
  let failed = 0;
  const queue = new SendQueue(kernel.module, 3, true, () => failed++);
  const push = (n: number): void =>
    queue.push(Uint8Array.of(n), LOCAL, 9, (error) => void told.set(n, error?.message ?? "left"));
  for (let n = 0; n < count; n++) push(n);
  queue.flush();
  return { queue, push, told, failed: () => failed };
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test("what the kernel does not take waits for its room, in order", () => {
  const kernel = new ScriptedKernel(4, -EAGAIN);
  const { queue, push, told, failed } = queued(kernel, 10);
  assert.deepEqual([kernel.taken, kernel.waits, told.size], [numbers(0, 4), 1, 4]);
  push(10);
  queue.flush();
  assert.deepEqual(kernel.taken, numbers(0, 4));
  queue.hasRoom();
  assert.deepEqual([kernel.taken, told.size, failed()], [numbers(0, 11), 11, 0]);
});

test("beyond 256 that wait a datagram is refused by name, and at the end those that wait are", () => {
  const kernel = new ScriptedKernel(...Array(9).fill(-EAGAIN));
  const { queue, told, failed } = queued(kernel, 300);
  assert.deepEqual([told.size, told.get(256), told.get(299)], [44, "cannot send (EAGAIN)", "cannot send (EAGAIN)"]);
  queue.close();
  assert.deepEqual([told.size, failed()], [300, 300]);
});

test("a way out that cuts no segments gets them singly from then on", () => {
  const kernel = new ScriptedKernel(-EINVAL, 10);
  const { queue, push, told, failed } = queued(kernel, 10);
  push(10);
  queue.flush();
  assert.deepEqual([kernel.taken, told.size, failed()], [numbers(0, 11), 11, 0]);
  assert.deepEqual(
    kernel.asked.map(({ inSegments }) => inSegments),
    [1, 0, 0],
  );
});

test("to a group nothing goes as segments of one", () => {
  const kernel = new ScriptedKernel();
  const queue = new SendQueue(kernel.module, 3, true, assert.fail);
  for (const to of [LOCAL, address("239.1.1.1"), LOCAL]) queue.push(new Uint8Array(9), to, 9, undefined);
  queue.flush();
  assert.deepEqual(
    kernel.asked.map(({ inSegments }) => inSegments),
    [1, 0, 1],
  );
});

test("a datagram that cannot leave fails alone, and is counted", () => {
  const kernel = new ScriptedKernel(-ENETUNREACH, -ENETUNREACH);
  const { told, failed } = queued(kernel, 3);
  assert.deepEqual([...told.values()], ["cannot send (ENETUNREACH)", "left", "left"]);
  assert.deepEqual([kernel.taken, failed()], [[1, 2], 1]);
});

test("another address begins another batch", () => {
  const kernel = new ScriptedKernel();
  const queue = new SendQueue(kernel.module, 3, true, assert.fail);
  for (const [n, port] of [9, 9, 10, 9].entries()) queue.push(Uint8Array.of(n), LOCAL, port, undefined);
  queue.flush();
  assert.deepEqual(
    kernel.asked.map(({ count }) => count),
    [2, 1, 1],
  );
  assert.deepEqual(kernel.taken, numbers(0, 4));
});

test("a full batch does not wait for the end of the turn, and what is sent meanwhile is not lost", () => {
  const kernel = new ScriptedKernel();
  const queue = new SendQueue(kernel.module, 3, true, assert.fail);
  let more = SEND_BATCH;
  const again = (): void => {
    if (more++ < SEND_BATCH + 5) queue.push(Uint8Array.of(more - 1), LOCAL, 9, undefined);
  };
  for (let n = 0; n < SEND_BATCH; n++) queue.push(Uint8Array.of(n), LOCAL, 9, again);
  assert.deepEqual(kernel.taken, numbers(0, SEND_BATCH + 5));
});

test("an empty address is any address of this machine", async () => {
  const socket = await datagrams.open({ address: ANY, port: 0 }, DEAF);
  assert.ok(socket.port > 0);
  socket.close();
});
