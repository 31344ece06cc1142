// What the kernel dropped, as /proc tells it.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { endianness, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { KernelQueues } from "./kernel-queues.ts";
import { NodeDatagrams } from "./node.ts";

const LOOPBACK = address("127.0.0.1");
const scratch = mkdtempSync(join(tmpdir(), "sc-queues-"));
after(() => rmSync(scratch, { recursive: true }));

test("a socket that is not read in time: what did not arrive is what was dropped, also after the socket is closed", async () => {
  const datagrams = new NodeDatagrams();
  let received = 0;
  const listener = { datagram: () => received++, failed: assert.fail };
  const socket = await datagrams.open({ address: LOOPBACK, port: 0, receiveBuffer: 4096 }, listener);
  const sender = await datagrams.open({ address: LOOPBACK, port: 0 }, { datagram() {}, failed: assert.fail });
  const { port } = socket;
  assert.equal(socket.overflows(), 0);
  const sent = Array.from(
    { length: 400 },
    () => new Promise<void>((resolve) => sender.send(new Uint8Array(1316), LOOPBACK, port, () => resolve())),
  );
  await Promise.all(sent);
  const limit = performance.now() + 10_000;
  while (received + Number(socket.overflows()) < 400 && performance.now() < limit)
    await new Promise((resolve) => setImmediate(resolve));
  const dropped = Number(socket.overflows());
  assert.ok(dropped > 0);
  assert.equal(received + dropped, 400);
  assert.equal(sender.overflows(), 0);
  socket.close();
  assert.equal(socket.overflows(), dropped);
  const another = await datagrams.open({ address: LOOPBACK, port }, listener);
  assert.equal(another.overflows(), 0);
  for (const open of [sender, another]) open.close();
});

/** As the kernel prints it: net/ipv4/udp.c, udp4_format_sock. */
const line = (local: string, inode: number, drops: number): string =>
  `  337: ${local} 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 ${inode} 2 0000000000000000 ${drops}`;

function proc(lines: readonly string[], inodes: readonly number[]) {
  const descriptors = mkdtempSync(join(scratch, "fd-"));
  for (const [i, inode] of inodes.entries()) symlinkSync(`socket:[${inode}]`, join(descriptors, String(i)));
  symlinkSync("/dev/null", join(descriptors, "9"));
  const sockets = join(descriptors, "udp");
  writeFileSync(sockets, ["  sl  local_address rem_address   st tx_queue rx_queue", ...lines, ""].join("\n"));
  return { sockets, descriptors };
}

const GROUP = address("239.255.77.1");
const LOCAL = `${endianness() === "LE" ? "014DFFEF" : "EFFF4D01"}:138C`;

test("other programs' sockets with the same group and port are not ours, and of our own each claim gets another", () => {
  const paths = proc(
    [line(LOCAL, 11, 5), line(LOCAL, 12, 700), line(LOCAL, 13, 6), line("0100007F:138C", 14, 1)],
    [11, 13, 14],
  );
  const queues = new KernelQueues(paths);
  const claimed = [queues.claim(GROUP, 5004), queues.claim(GROUP, 5004)];
  assert.deepEqual(claimed, ["11", "13"]);
  assert.deepEqual([queues.droppedBy("11"), queues.droppedBy("13")], [5, 6]);
  assert.equal(queues.claim(GROUP, 5004), undefined);
  queues.release("11");
  assert.equal(queues.claim(GROUP, 5004), "11");
});

test("without /proc, or of a socket that is gone, nothing is known, and nothing fails", () => {
  mkdirSync(join(scratch, "none"));
  const paths = { sockets: join(scratch, "none", "udp"), descriptors: join(scratch, "none", "fd") };
  const queues = new KernelQueues(paths);
  assert.equal(queues.claim(GROUP, 5004), undefined);
  assert.equal(queues.droppedBy("11"), undefined);
});
