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
    timeout: 60_000,
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

/** A command of a router that does not run. */
function ask(...command: readonly string[]) {
  const settings = SETTINGS.map((one) => (one === "socket=" ? `socket=${join(scratch, "none.sock")}` : one));
  const line = [join(scratch, "router.cjs"), ...settings, ...command];
  const { status, stdout, stderr } = spawnSync(process.execPath, line, { encoding: "utf8", timeout: 60_000 });
  return { code: status, out: stdout, err: stderr };
}

test("status, --why, top and metrics of a router that does not run: 69, and where was looked", {
  skip: !built && "needs npm run build",
}, () => {
  for (const command of [["status"], ["status", "--why", "239.1.1.1", "10.0.0.1"], ["top"], ["metrics"]]) {
    const { code, out, err } = ask(...command);
    assert.deepEqual([code, out], [69, ""], command.join(" "));
    assert.match(err, /is not running \(nobody listens on .*none\.sock\)/);
  }
});

test("a question that is none is a wrong command line: 64", { skip: !built && "needs npm run build" }, () => {
  for (const words of [["239.1.1.1"], ["239.1.1.1", "10.0.0.1", "10.0.0.2"]]) {
    const { code, err } = ask("status", "--why", ...words);
    assert.equal(code, 64, err);
    assert.match(err, /--why takes a group and a host/);
  }
  assert.equal(ask("top", "--count", "many").code, 64);
});
