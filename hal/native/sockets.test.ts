// The addon over sockets of the loopback interface: what is promised in the head of sockets.c.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { loadSockets } from "../native.ts";
import { PACKET_ROW, RECEIVE_BATCH, SENDER_OCTETS, SystemError, succeeded } from "./sockets.ts";

const sockets = await loadSockets("test");

const [AF_INET, SOCK_DGRAM] = [2, 2];
const [EAGAIN, EBADF, EEXIST] = [11, 9, 17];
const SLOT = 64;

/** struct sockaddr_in of 127.0.0.1; port 0 is any. */
function loopback(port = 0): Buffer {
  const address = Buffer.alloc(16);
  address.set(new Uint8Array(new Uint16Array([AF_INET]).buffer));
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  return address;
}

/** A UDP socket of 127.0.0.1, and how to send itself something. */
function ownSocket() {
  const fd = succeeded("socket", sockets.socket(AF_INET, SOCK_DGRAM, 0));
  succeeded("bind", sockets.bind(fd, loopback()));
  const inode = /\d+/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[0] ?? "";
  const line = readFileSync("/proc/net/udp", "latin1")
    .split("\n")
    .find((one) => one.trim().split(/\s+/)[9] === inode);
  const port = Number.parseInt(/:([0-9A-F]{4}) /.exec(line ?? "")?.[1] ?? "0", 16);
  const say = (octets: Uint8Array): void => void succeeded("send", sockets.send(fd, octets, loopback(port)));
  return { fd, say };
}

const room = (packets: number) => ({
  slots: new Uint8Array(packets * SLOT),
  rows: new Int32Array(packets * PACKET_ROW.length),
  senders: new Uint8Array(packets * SENDER_OCTETS),
});

test("a batch has no more packets than there is room for, each with its length, and a long one is cut", (t) => {
  const { fd, say } = ownSocket();
  t.after(() => sockets.close(fd));
  for (const length of [1, 2, 100]) say(new Uint8Array(length).fill(length));
  const { slots, rows, senders } = room(2);
  assert.equal(sockets.receive(fd, slots, SLOT, rows, senders, 0), 2);
  assert.deepEqual([rows[0], rows[PACKET_ROW.length]], [1, 2]);
  assert.deepEqual([slots[0], slots[1], slots[SLOT], slots[SLOT + 2]], [1, 0, 2, 0]);
  assert.deepEqual([...senders.subarray(4, 8)], [127, 0, 0, 1]);
  const behind = new Uint8Array(SLOT + 1).fill(0xa5);
  assert.equal(sockets.receive(fd, behind, SLOT, rows, senders, 0), 1);
  assert.deepEqual([rows[0], behind[SLOT - 1], behind[SLOT]], [100, 100, 0xa5]);
  assert.equal(sockets.receive(fd, slots, SLOT, rows, senders, 0), -EAGAIN);
});

test("of more than a batch the rest stays for the next", (t) => {
  const { fd, say } = ownSocket();
  t.after(() => sockets.close(fd));
  for (let n = 0; n < RECEIVE_BATCH + 3; n++) say(Uint8Array.of(n));
  const { slots, rows, senders } = room(RECEIVE_BATCH + 10);
  assert.equal(sockets.receive(fd, slots, SLOT, rows, senders, 0), RECEIVE_BATCH);
  assert.equal(sockets.receive(fd, slots, SLOT, rows, senders, 0), 3);
});

test("what is no descriptor, number, array or address of the kind throws, and touches nothing", () => {
  const { slots, rows, senders } = room(1);
  const wrong = [
    () => sockets.socket(-1, 0, 0),
    () => sockets.socket(Number.NaN, 0, 0),
    () => sockets.socket(2 ** 31, 0, 0),
    () => sockets.socket(1.5, 0, 0),
    () => sockets.close("0" as unknown as number),
    () => sockets.bind(0, new Uint8Array(1)),
    () => sockets.bind(0, new Uint8Array(129)),
    () => sockets.setOption(0, 0, 0, [] as unknown as Uint8Array),
    () => sockets.setOption(0, 1, 26, new Uint8Array(16)),
    () => sockets.filter(0, new Uint8Array(0)),
    () => sockets.filter(0, new Uint8Array(7)),
    () => sockets.filter(0, new Uint8Array(8 * 4097)),
    () => sockets.receive(0, slots, 0, rows, senders, 0),
    () => sockets.receive(0, slots, SLOT + 1, rows, senders, 0),
    () => sockets.receive(0, slots, SLOT, new Int32Array(7), senders, 0),
    () => sockets.receive(0, slots, SLOT, rows, new Uint8Array(31), 0),
    () => sockets.receive(0, slots, SLOT, rows, senders, 1),
    () => sockets.receive(0, slots, SLOT, rows, senders, -1),
    () => sockets.receive(0, slots, SLOT, new Uint8Array(64) as unknown as Int32Array, senders, 0),
    () => sockets.watch(0, undefined as unknown as () => void, slots, SLOT, rows, senders),
    () => sockets.watch(0, () => {}, slots.subarray(1), SLOT, rows, senders),
    () => (sockets.takeDescriptor as (pid: number) => number)(1),
  ];
  for (const [i, call] of wrong.entries()) assert.throws(call, TypeError, `case ${i}`);
});

test("a call that the kernel refuses is its errno, in words when it must succeed", () => {
  assert.equal(sockets.close(999), -EBADF);
  const refused = (): number => succeeded("closing", sockets.close(999));
  assert.throws(refused, new SystemError("closing", EBADF));
  assert.throws(refused, { code: "EBADF", message: "closing: bad file descriptor" });
});

test("a watch tells of each packet; its callback may close its own socket, and another may take the number", async (t) => {
  const first = ownSocket();
  t.after(() => sockets.close(first.fd));
  const { slots, rows, senders } = room(1);
  const heard = await new Promise((resolve) => {
    const readable = (count: number): void => {
      sockets.close(first.fd);
      resolve([count, rows[0], slots[0]]);
    };
    assert.equal(sockets.watch(first.fd, readable, slots, SLOT, rows, senders), 0);
    assert.equal(sockets.watch(first.fd, readable, slots, SLOT, rows, senders), -EEXIST);
    first.say(Uint8Array.of(7));
  });
  assert.deepEqual(heard, [1, 1, 7]);
  const second = ownSocket();
  assert.equal(second.fd, first.fd, "the number is used again");
  const readable = new Promise((resolve) => {
    assert.equal(sockets.watch(second.fd, resolve, slots, SLOT, rows, senders), 0);
  });
  second.say(Uint8Array.of(8));
  assert.equal(await readable, 1);
  sockets.close(second.fd);
});

test("a mistake in a callback is an uncaught exception, not lost and not the end of the watch", async (t) => {
  const { fd, say } = ownSocket();
  t.after(() => sockets.close(fd));
  const { slots, rows, senders } = room(1);
  let calls = 0;
  const again = new Promise<void>((resolve) => {
    const readable = (): void => {
      if (++calls === 2) resolve();
      else throw new Error("a mistake of ours");
    };
    sockets.watch(fd, readable, slots, SLOT, rows, senders);
  });
  const told = new Promise<Error>((resolve) => {
    process.setUncaughtExceptionCaptureCallback((mistake) => resolve(mistake as unknown as Error));
  });
  say(Uint8Array.of(1));
  const mistake = await told;
  process.setUncaughtExceptionCaptureCallback(null);
  assert.equal(mistake.message, "a mistake of ours");
  say(Uint8Array.of(2));
  await again;
});

test("a worker that ends while it watches takes nothing with it", async () => {
  const addon = new URL("./addon.cjs", import.meta.url).href;
  const script = `import(${JSON.stringify(addon)}).then(({ default: sockets }) => {
    const room = [new Uint8Array(64), 64, new Int32Array(8), new Uint8Array(32)];
    for (let n = 0; n < 3; n++) sockets.watch(sockets.socket(2, 2, 0), () => {}, ...room);
    require("node:worker_threads").parentPort.postMessage("watching");
  });`;
  for (let times = 0; times < 3; times++) {
    const worker = new Worker(script, { eval: true });
    await once(worker, "message");
    assert.equal(await worker.terminate(), 1);
  }
});

test("a child inherits none of the sockets", async (t) => {
  const { fd } = ownSocket();
  t.after(() => sockets.close(fd));
  const own = readlinkSync(`/proc/self/fd/${fd}`);
  const child = spawn("ls", ["-l", "/proc/self/fd"], { stdio: ["ignore", "pipe", "inherit"] });
  let listed = "";
  child.stdout.on("data", (text) => (listed += String(text)));
  await once(child, "close");
  assert.match(listed, / 1 -> /);
  assert.equal(listed.includes(own), false, listed);
});

test("a descriptor of another process is taken as it is, and is not inherited either", async (t) => {
  const inherited = ownSocket();
  t.after(() => sockets.close(inherited.fd));
  const child = spawn("cat", { stdio: ["pipe", "ignore", "inherit", inherited.fd] });
  t.after(() => child.stdin?.end());
  await once(child, "spawn");
  const taken = sockets.takeDescriptor(child.pid ?? 0, 3);
  t.after(() => sockets.close(taken));
  assert.notEqual(taken, inherited.fd);
  assert.equal(readlinkSync(`/proc/self/fd/${taken}`), readlinkSync(`/proc/self/fd/${inherited.fd}`));
  // O_CLOEXEC is 02000000.
  const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${taken}`, "latin1"))?.[1] ?? "0";
  assert.equal(Number.parseInt(flags, 8) & 0o2000000, 0o2000000);
  assert.equal(sockets.takeDescriptor(child.pid ?? 0, 999), -EBADF);
});

/** A mapping of one page at an address where Linux maps nothing, with the lines of smaps of 6.12 (proc_pid_smaps(5)) in their order. */
function smapsOf(rights: string, inode: number, changed: Readonly<Record<string, number>>): string {
  const lines = ["Size", "Rss", "Private_Dirty", "Anonymous", "LazyFree", "Swap", "SwapPss", "Locked"];
  const told = lines.map((line) => `${`${line}:`.padEnd(16)} ${String(changed[line] ?? 0).padStart(8)} kB\n`).join("");
  return `00001000-00002000 ${rights} 00000000 fe:00 ${inode}    /lib/libc.so.6\n${told}VmFlags: rd mr mw me \n`;
}

const FILE = smapsOf("r--p", 4711, { Rss: 4 });
const MAPPINGS: readonly (readonly [string, string, number])[] = [
  ["the same as its file goes", FILE, 1],
  ["changed, in memory, stays", smapsOf("r--p", 4711, { Rss: 4, Private_Dirty: 4, Anonymous: 4 }), 0],
  ["changed, and all of it in swap, stays", smapsOf("r--p", 4711, { Swap: 4, SwapPss: 4 }), 0],
  ["that is writable stays", smapsOf("rw-p", 4711, { Rss: 4 }), 0],
  ["of no file stays", smapsOf("r--p", 0, { Rss: 4 }), 0],
  ["without a line about swap stays", FILE.replace(/Swap: .*\n/, ""), 0],
  ["behind one that is the same stays if it was changed", FILE + smapsOf("r--p", 4711, { Swap: 4, SwapPss: 4 }), 1],
];

for (const [which, text, released] of MAPPINGS)
  test(`of the files in memory, a mapping ${which}`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "sealcast-smaps-"));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "smaps"), text);
    assert.equal(sockets.releaseFiles(join(folder, "smaps")), released);
  });
