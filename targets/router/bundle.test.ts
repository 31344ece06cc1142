// What the bundle says when the machine does not give it what it needs.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const built = existsSync("dist/router.cjs");
const root = process.getuid?.() === 0;
const NOBODY = 65534;
const SETTINGS = ["id=r", "downstreams.0.interface=lo", "socket=", "taps=false"].flatMap((one) => ["--set", one]);

const scratch = mkdtempSync(join(tmpdir(), "sealcast-router-"));
chmodSync(scratch, 0o755);
copyFileSync(built ? "dist/router.cjs" : "package.json", join(scratch, "router.cjs"));
after(() => rmSync(scratch, { recursive: true }));

function run(environment: Record<string, string>, asNobody: boolean) {
  const done = spawnSync(process.execPath, [join(scratch, "router.cjs"), ...SETTINGS], {
    cwd: scratch,
    encoding: "utf8",
    timeout: 15_000,
    killSignal: "SIGKILL",
    env: { PATH: process.env.PATH ?? "", ...environment },
    ...(asNobody && root ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  return { code: done.status, text: done.stdout + done.stderr };
}

test("without root it exits with 77 and says what it needs and what to do instead", {
  skip: !built && "needs npm run build",
}, () => {
  const { code, text } = run({ SEALCAST_NATIVE_DIR: "" }, true);
  assert.equal(code, 77, text);
  assert.match(text, /mroute\.permission/);
  assert.match(text, /needs: root, or CAP_NET_RAW and CAP_NET_ADMIN/);
  assert.match(text, /or: start it from the init script/);
});

test("without its native part it exits with 69 and names package and alternative", {
  skip: !built && "needs npm run build",
}, () => {
  const { code, text } = run({ SEALCAST_NATIVE_DIR: join(scratch, "router.cjs", "not-a-folder") }, true);
  assert.equal(code, 69, text);
  assert.match(text, /igmp\.native-missing/);
  assert.match(text, /needs: the native package raw-socket/);
});
