// The driver over sockets that are made here: what a stalled event loop does to the witness, and what an open that fails says.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Socket } from "raw-socket";
import { RawIgmpSockets } from "./raw.ts";

/** raw-socket passes strerror's text on, of EAGAIN when the queue is empty. */
const EMPTY = "Resource temporarily unavailable";
const [OURS, STRAY] = [Buffer.from("ours"), Buffer.from("stray")];

/** A socket whose queue is filled by hand, and read by the driver alone: its event loop never polls. */
class QueueSocket {
  readonly queue: Buffer[] = [];
  isClosed = false;
  /** What `setOption` and `recv` throw. */
  fault: Error | undefined;
  readonly wrap = {
    recv: (_into: Buffer, received: (octets: Buffer, length: number, source: string) => void): void => {
      const packet = this.queue.shift();
      if (packet === undefined || this.isClosed) throw new Error(EMPTY);
      received(packet, packet.length, "");
    },
  };

  setOption(): void {
    if (this.fault !== undefined) throw this.fault;
  }

  on(): this {
    return this;
  }

  close(): this {
    this.isClosed = true;
    return this;
  }
}

/** Opens "lo" over `made`: the socket, then its witness. */
function openOver(made: readonly QueueSocket[], packet: (bytes: Uint8Array) => void = () => {}) {
  const left = [...made];
  const createSocket = () => (left.shift() ?? assert.fail("one socket more")) as unknown as Socket;
  const sockets = new RawIgmpSockets({ createSocket });
  const failed = ({ message }: Error) => assert.fail(message);
  return { sockets, socket: sockets.open("lo", { packet, failed }) };
}

/** The event loop stands until the trial's timer is overdue: it runs before either socket is read. */
async function stall(): Promise<void> {
  const overdue = new Promise((resolve) => setTimeout(resolve, 1000));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100);
  await overdue;
}

test("after a stall of the event loop a packet that only the socket heard is not told; what both heard is, once", async (t) => {
  const [own, witness] = [new QueueSocket(), new QueueSocket()];
  const told: string[] = [];
  const { sockets, socket } = openOver([own, witness], (bytes) => told.push(Buffer.from(bytes).toString()));
  t.after(() => socket.close());
  own.queue.push(STRAY, OURS);
  witness.queue.push(OURS);
  await stall();
  assert.ok(witness.isClosed, "the trial is over");
  assert.deepEqual(own.queue, [], "nothing is left to be read without a witness");
  assert.deepEqual(told, ["ours"]);
  assert.equal(sockets.counts.of("igmp.unwitnessed"), 1);
});

test("a listener that closes the socket while the trial ends hears nothing more", async () => {
  const [own, witness] = [new QueueSocket(), new QueueSocket()];
  const told: string[] = [];
  const { socket } = openOver([own, witness], (bytes) => {
    told.push(Buffer.from(bytes).toString());
    socket.close();
  });
  own.queue.push(OURS, OURS);
  witness.queue.push(OURS, OURS);
  await stall();
  assert.deepEqual(told, ["ours"]);
  assert.ok(own.isClosed && witness.isClosed);
});

test("an open that fails says why, and is the interface's fault only where it is", () => {
  const rows = [
    { fault: "Too many open files", code: "igmp.open-failed" },
    { fault: "No buffer space available", code: "igmp.open-failed" },
    { fault: "No such device", code: "igmp.no-interface" },
    { fault: "Cannot assign requested address", code: "igmp.no-interface" },
    { fault: "Operation not permitted", code: "igmp.permission" },
  ];
  for (const { fault, code } of rows) {
    const [own, witness] = [new QueueSocket(), new QueueSocket()];
    witness.fault = new Error(fault);
    assert.throws(() => openOver([own, witness]), { code, message: new RegExp(`lo.*: ${fault}$`) });
    assert.ok(own.isClosed && witness.isClosed, "nothing stays open");
  }
});

test("a queue that does not become empty is a flood, not an interface that is missing", () => {
  const own = new QueueSocket();
  own.queue.push(...new Array<Buffer>(70_000).fill(STRAY));
  assert.throws(() => openOver([own, new QueueSocket()]), { code: "igmp.open-failed", message: /flooded/ });
});
