// The README's commands, run as they stand: a reader who pastes them gets a router, or a receiver and a usage record.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { it } from "node:test";

const readme = readFileSync("README.md", "utf8");

/** @param {string} name the block's mark: <!-- tested: NAME --> */
function block(name) {
  const [, text] = new RegExp(`<!-- tested: ${name} -->\\n\`\`\`sh\\n([^]*?)\`\`\``).exec(readme) ?? [];
  assert.ok(text, `README.md has a block marked "${name}"`);
  return text;
}

it("what the README tells to do by hand works as it stands", () => {
  const { stdout, stderr, status } = spawnSync(
    "bash",
    ["-ec", `trap 'kill $(jobs -p) 2>/dev/null || true' EXIT; set -m; ${block("by-hand")}rm -r "$W"`],
    {
      encoding: "utf8",
      timeout: 60_000,
    },
  );
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /box1 .*news/, "the live reception or the usage record names device and channel");
  assert.match(stdout, /stopped/, "the usage record says why it ended");
  const [, size] = /(\d+) \S+ +\d+ \S+ \S+news\.ts/.exec(stdout) ?? [];
  assert.ok(Number(size) > 100_000, `the clear stream is in the file: ${stdout}`);
});

const skip = process.getuid?.() !== 0 && "needs root for a network namespace";

/** The interfaces that the README takes for granted; /run is not the machine's. */
const MACHINE = `mount -t tmpfs none /run
  for name in wan0:10.1.0.1 lan0:10.2.0.1; do
    ip link add "\${name%:*}" type veth peer name "peer-\${name%:*}"
    ip link set "peer-\${name%:*}" up
    ip addr add "\${name#*:}/24" dev "\${name%:*}"
    ip link set "\${name%:*}" up
  done
`;

it("what the README tells a router's user to type first works as it stands", { skip }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-readme-"));
  t.after(() => rmSync(folder, { recursive: true }));
  symlinkSync(resolve("dist"), join(folder, "dist"));
  const script = `${MACHINE}trap 'kill -INT $(jobs -p) 2>/dev/null || true; wait' EXIT; ${block("router")}wait; tail -n 1 router.log`;
  const { stdout, stderr, status } = spawnSync("unshare", ["--net", "--mount", "bash", "-ec", script], {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(status, 0, stdout + stderr);
  const told = ["the configuration is right", "lan0", "not-joined", "this host does not get", "the router has stopped"];
  const places = told.map((words) => stdout.indexOf(words));
  assert.ok(!places.includes(-1), `${told.filter((_, i) => places[i] === -1)} in:\n${stdout}`);
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
    stdout,
  );
  assert.match(stdout.trim().split("\n").at(-1) ?? "", /"msg":"stopped"/);
});
