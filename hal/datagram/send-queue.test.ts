// What waits for the kernel's room, against a kernel that takes as many datagrams as the test says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { SEND_ROW, type SocketsModule } from "../native/sockets.ts";
import { SendQueue } from "./send-queue.ts";

const PEER = address("10.9.1.2");
const EAGAIN = 11;
/** As an output may have under way. */
const MOST = 256;

/** A queue, what the kernel has taken (the first octets), and its room. */
function queueOf() {
  const taken: number[] = [];
  const kernel = { room: 0 };
  const sendBatch: SocketsModule["sendBatch"] = (_fd, octets, rows, first, count) => {
    const takes = Math.min(count, kernel.room);
    for (let at = first; at < first + takes; at++) taken.push(octets[rows[SEND_ROW * at] ?? -1] ?? -1);
    kernel.room -= takes;
    return takes === 0 ? -EAGAIN : takes;
  };
  let failed = 0;
  const native = { sendBatch, awaitRoom: () => 0 } as unknown as SocketsModule;
  const queue = new SendQueue(native, 3, false, () => failed++);
  return { queue, taken, kernel, failed: () => failed };
}

test("a kernel that takes a few at a time costs nothing while no more than the most wait", () => {
  const { queue, taken, kernel, failed } = queueOf();
  const sent: number[] = [];
  let pushed = 0;
  const fill = (): void => {
    while (pushed - sent.length < MOST) {
      const n = pushed++;
      const payload = new Uint8Array(1316).fill(n % 251);
      queue.push(payload, PEER, 9, (error) => {
        assert.equal(error, undefined, `datagram ${n}`);
        sent.push(n);
      });
    }
  };
  for (let turn = 0; turn < 100; turn++) {
    fill();
    kernel.room = 40;
    queue.hasRoom();
  }
  assert.equal(failed(), 0);
  assert.deepEqual(
    taken,
    Array.from({ length: taken.length }, (_, n) => n % 251),
  );
  assert.deepEqual(
    sent,
    Array.from({ length: 100 * 40 }, (_, n) => n),
  );
});

test("what is sent from within the word that another has left goes too, however long that goes on", () => {
  const { queue, taken, kernel, failed } = queueOf();
  kernel.room = Number.POSITIVE_INFINITY;
  const again = (error?: Error): void => {
    assert.equal(error, undefined);
    if (taken.length < 5000) queue.push(new Uint8Array(1316), PEER, 9, again);
  };
  for (let n = 0; n < 64; n++) queue.push(new Uint8Array(1316), PEER, 9, again);
  assert.equal(failed(), 0);
  assert.ok(taken.length >= 5000, `${taken.length}`);
});

test("what is sent elsewhere from within the word that the last has left is not refused", () => {
  const { queue, taken, kernel } = queueOf();
  kernel.room = 2;
  const errors: unknown[] = [];
  queue.push(new Uint8Array([1]), PEER, 9, () =>
    queue.push(new Uint8Array([2]), PEER, 10, (error) => errors.push(error)),
  );
  queue.flush();
  assert.deepEqual([taken, errors], [[1, 2], [undefined]]);
});
