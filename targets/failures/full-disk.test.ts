// The disk is full: control answers "busy" and says why, a set-top keeps its picture, and both go on when there is space again.
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Configured, isRoot, type Json, scratch } from "./bundles.testkit.ts";
import { System } from "./system.testkit.ts";

const folder = scratch("full-disk");
const skip = !isRoot && "needs root to mount a small file system";
const MIB = 1024 * 1024;

/** A disk of two MiB that only the process sees. */
function smallDisk(name: string) {
  const path = join(folder, name);
  mkdirSync(path);
  const mount = 'mount -t tmpfs -o size=2m,mode=700 none "$1" && shift && exec "$@"';
  return { path, under: ["unshare", "-m", "sh", "-c", mount, "sh", path] };
}

/** Takes all space that is left. */
function fill(bundle: Configured, disk: string): void {
  const file = bundle.inside(join(disk, "filler"));
  for (let size = MIB; size >= 1; size /= 4)
    try {
      for (;;) appendFileSync(file, Buffer.alloc(size));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
}

const free = (bundle: Configured, disk: string): void => rmSync(bundle.inside(join(disk, "filler")));

test("control without space refuses and answers busy, names the fault, and goes on when there is space", {
  skip,
}, async () => {
  const { path, under } = smallDisk("store");
  const system = await System.start(folder, "239.255.79.15", { store: { path: join(path, "control.db") } }, { under });
  after(() => system.close());
  const { control } = system;
  const headend = await system.headend();
  const first = await system.settop("first");
  await system.admit("settop", "late");
  fill(control, path);
  // The write-ahead log has some room of its own.
  await assert.rejects(async () => {
    for (let n = 0; n < 1000; n++) await control.command("subscriber.add", { id: `s-${n}`, name: "x".repeat(200) });
  }, /store\.full/);

  mkdirSync(join(folder, "late"));
  const late = new Configured("settop", join(folder, "late"), system.settopConfig("late"));
  const dark = await late.see(
    "that the server is busy",
    ({ channels: [one] }: Json) => one?.dark?.reason === "server-busy" && one.dark,
  );
  assert.match(dark.text, /reception-server/);
  assert.equal((await control.status()).reception.store, "store.full");
  await system.give(20);
  await first.see("the stream", ({ channels: [one] }: Json) => one.handedOn === 20 || undefined);

  free(control, path);
  await late.see("a key", ({ channels: [one] }: Json) => one.viewing.epochs.length > 0 || undefined);
  assert.equal((await control.status()).reception.store, "works");
  await control.command("subscriber.add", { id: "bob" });
  for (const bundle of [late, first, headend, control]) assert.equal((await bundle.stop()).code, 0);
});

test("a set-top without space for its journal says so, shows its picture, and keeps the journal again later", {
  skip,
}, async () => {
  const own = join(folder, "journal-test");
  mkdirSync(own);
  const { path, under } = smallDisk("journal");
  const system = await System.start(own, "239.255.79.16");
  after(() => system.close());
  const headend = await system.headend();
  await system.admit("settop", "box");
  const journal = join(path, "receptions.json");
  const box = new Configured("settop", own, system.settopConfig("box", { journal, tune: [] }), { under });
  await box.running();
  fill(box, path);
  await box.command("tune", { channel: "one" });
  await box.see("a key", ({ channels: [one] }: Json) => one?.viewing.epochs.length > 0 || undefined);
  await system.give(20);
  await box.see("the stream", ({ channels: [one] }: Json) => one.handedOn === 20 || undefined);
  assert.match((await box.status()).journal, /journal\.disk-full/);
  free(box, path);
  await box.command("stop", { channel: "one" });
  await box.see("a sound journal", (status: Json) => status.journal === "sound" || undefined);
  for (const bundle of [box, headend, system.control]) assert.equal((await bundle.stop()).code, 0);
});
