import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { unixTime } from "../../core/base/time.ts";
import { POLICY_LIMIT } from "../../core/control/messages.ts";
import { FileEvidenceLog, POLICY } from "../../hal/evidence/file.ts";
import { PolicyFile, type PolicyOwner } from "./policy-file.ts";

const folder = mkdtempSync(join(tmpdir(), "sealcast-policy-file-"));
after(() => rmSync(folder, { recursive: true }));

const OWNER: PolicyOwner = { router: "r1", server: new Uint8Array(32).fill(7) };
const KEPT = { revision: 1_767_225_600_000, since: unixTime(1_767_225_601_000), text: '{"rules":[]}' };

let files = 0;
const fresh = (): string => join(folder, `${files++}.policy`);
const fileAt = (path: string, owner = OWNER): PolicyFile => new PolicyFile(new FileEvidenceLog(path, POLICY), owner);

test("what was kept is there for the next process, the newest only, and for its owner only", async () => {
  const path = fresh();
  assert.deepEqual(fileAt(path).load(), {});
  await fileAt(path).keep({ ...KEPT, revision: 1 });
  await fileAt(path).keep(KEPT);
  assert.deepEqual(fileAt(path).load(), { kept: KEPT });
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("the longest policy fits, and its file is bounded by it", async () => {
  const path = fresh();
  const kept = { ...KEPT, text: '"'.repeat(POLICY_LIMIT) };
  await fileAt(path).keep(kept);
  assert.deepEqual(fileAt(path).load(), { kept });
  assert.ok(statSync(path).size < 2.1 * POLICY_LIMIT);
});

test("policy.foreign: one of another router, or of another control, is not in force", async () => {
  const path = fresh();
  await fileAt(path).keep(KEPT);
  for (const owner of [
    { ...OWNER, router: "r2" },
    { ...OWNER, server: new Uint8Array(32).fill(8) },
  ]) {
    const { kept, fault } = fileAt(path, owner).load();
    assert.deepEqual([kept, fault?.code], [undefined, "policy.foreign"]);
    assert.match(fault?.message ?? "", /of the router r1 or of another control/);
  }
});

test("policy.damaged: a file with a wrong checksum is set aside, and one that says something else is passed over", async () => {
  const path = fresh();
  await fileAt(path).keep(KEPT);
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace("rules", "rulez"));
  assert.equal(fileAt(path).load().fault?.code, "policy.damaged");
  assert.match(readFileSync(`${path}.damaged`, "utf8"), /rulez/);
  assert.deepEqual(fileAt(path).load(), {});
  const log = new FileEvidenceLog(path, POLICY);
  for (const line of ["no JSON", "{}", JSON.stringify({ ...JSON.parse(text.slice(9)), revision: -1 })]) {
    await log.replace([line]);
    const { kept, fault } = fileAt(path).load();
    assert.deepEqual([kept, fault?.code], [undefined, "policy.damaged"], line);
  }
});

test("a file too large to be one of ours is not read into memory, but set aside", () => {
  const path = fresh();
  writeFileSync(path, Buffer.alloc(2 * 1024 * 1024, "x"));
  assert.equal(fileAt(path).load().fault?.code, "policy.damaged");
});

test("policy.permission: what cannot be read or written is named with the entry that names the file", async () => {
  const path = "/proc/sealcast/router.policy";
  assert.deepEqual(fileAt(path).load(), {});
  await assert.rejects(fileAt(path).keep(KEPT), { name: "HalError", code: /^policy\.(permission|failed)$/ });
});
