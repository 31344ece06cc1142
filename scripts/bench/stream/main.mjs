// npm run bench:stream [-- --json FILE] [--quick] [ciphers] [settop]: what a packet of the media path takes, and how many go through,
// beside what others need for it, in one run on one machine. Everything but `ciphers` in a network namespace of its own (root).
// --quick shows that the measuring works; its figures mean nothing.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { step } from "../../checks/steps.mjs";
import { printFigure, withRatio } from "../support/figures.mjs";
import { compileMedia } from "./programs.mjs";

const INSIDE = "SEALCAST_BENCH_NAMESPACE";
const NAMESPACE = 'ip link set lo up multicast on; ip route add 224.0.0.0/4 dev lo; exec "$0" "$@"';

const { values, positionals } = parseArgs({
  options: { json: { type: "string" }, quick: { type: "boolean", default: false } },
  allowPositionals: true,
});
const isWanted = (/** @type {string} */ part) => positionals.length === 0 || positionals.includes(part);

/** @type {Record<string, () => Promise<(media: string, how: { quick: boolean }) => Promise<import("../support/figures.mjs").Measured[]>>>} */
const PARTS = {
  ciphers: async () => (await import("./ciphers.mjs")).cipherFigures,
  settop: async () => (await import("./through.mjs")).throughFigures,
};

/** This same command in a network namespace; its exit code. */
function inNamespace() {
  const args = ["--net", "sh", "-c", NAMESPACE, process.execPath, ...process.argv.slice(1)];
  return spawnSync("unshare", args, { stdio: "inherit", env: { ...process.env, [INSIDE]: "1" } }).status ?? 1;
}

async function measureAll() {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-media-"));
  try {
    const media = compileMedia(folder);
    const figures = [];
    for (const [part, load] of Object.entries(PARTS)) {
      const measured = isWanted(part) ? await (await load())(media, { quick: values.quick }) : [];
      for (const figure of measured.map(withRatio)) {
        figures.push(figure);
        printFigure(figure);
      }
    }
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ figures }, undefined, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const unknown = positionals.find((part) => PARTS[part] === undefined);
if (unknown !== undefined) {
  process.stderr.write(`bench:stream: there is no part ${unknown}; there are ${Object.keys(PARTS).join(", ")}\n`);
  process.exit(64);
}
if (process.env[INSIDE] === undefined) {
  const isReady =
    step("set-up", "./scripts/setup", []) &&
    step("types", "node_modules/.bin/tsc", ["-b"]) &&
    (!isWanted("settop") || step("bundles", "npm", ["run", "--silent", "build"]));
  if (!isReady) process.exit(1);
  if (isWanted("settop") && process.getuid?.() === 0) process.exit(inNamespace());
  if (isWanted("settop")) {
    process.stdout.write("without root there is no network namespace: only the ciphers are measured\n");
    positionals.splice(0, positionals.length, "ciphers");
  }
}
await measureAll();
