import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { BridgeSettings } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "sealcast-settings-"));
after(() => rmSync(folder, { recursive: true }));

const [SNOOPING, ROUTER] = ["br0/bridge/multicast_snooping", "p1/brport/multicast_router"];
let made = 0;

/** br0 with snooping off and p1 as the bridge hears it; a file that keeps what was found. */
function bench() {
  const root = join(folder, String(made++));
  const file = join(root, "run", "router.bridges");
  const write = (path: string, value: string): void => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), `${value}\n`);
  };
  write("br0/ifindex", "4");
  write("p1/ifindex", "5");
  write(SNOOPING, "0");
  write(ROUTER, "1");
  const read = (path: string): string => readFileSync(join(root, path), "latin1").trim();
  const failures: string[] = [];
  return {
    root,
    file,
    write,
    failures,
    found: () => [read(SNOOPING), read(ROUTER)],
    /** Another process. */
    open: (where = file) => new BridgeSettings({ root, file: where, failed: (why) => failures.push(why) }),
  };
}

/** Changed by a process that is then killed. */
function killed() {
  const all = bench();
  const settings = all.open();
  settings.set(SNOOPING, "1");
  settings.set(ROUTER, "2");
  assert.deepEqual(all.found(), ["1", "2"]);
  return all;
}

test("who comes after one that was killed gives back what that one found, and leaves no file", () => {
  const { open, found, file } = killed();
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const successor = open();
  assert.deepEqual([successor.found(SNOOPING), successor.found(ROUTER)], ["0", "1"]);
  successor.set(SNOOPING, "1");
  successor.set(ROUTER, "0");
  open().restoreAll();
  assert.deepEqual(found(), ["0", "1"], "however many are killed in between");
  assert.ok(!existsSync(file));
});

test("what somebody else has set since is his, and so is an interface of the same name that is another", () => {
  const { open, found, write } = killed();
  write(ROUTER, "0");
  write("br0/ifindex", "9");
  open().restoreAll();
  assert.deepEqual(found(), ["1", "0"]);
});

test("a setting may be given back alone; the rest stays known", () => {
  const { open, found } = killed();
  const successor = open();
  assert.equal(successor.restore(ROUTER), undefined);
  assert.equal(successor.restore(ROUTER), undefined, "only once");
  assert.deepEqual([found(), open().changed()], [["1", "1"], [SNOOPING]]);
});

test("a file that is none of ours holds nothing, and one that cannot be written is told", () => {
  const { open, found, file, failures, root } = killed();
  writeFileSync(file, "no");
  assert.deepEqual(open().changed(), []);
  const blind = open(join(root, "br0/ifindex/file"));
  blind.set(SNOOPING, "0");
  assert.deepEqual(found()[0], "0");
  blind.restoreAll();
  assert.equal(found()[0], "1");
  assert.match(failures[0] ?? "", /cannot be kept in .*ENOTDIR/);
});

test("what may not be written is not recorded", () => {
  const { open, root } = bench();
  const settings = open();
  rmSync(join(root, "p1/brport"), { recursive: true });
  assert.throws(() => settings.set(ROUTER, "2"), { code: "ENOENT" });
  assert.deepEqual(settings.changed(), []);
});
