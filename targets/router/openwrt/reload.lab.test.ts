// What the init script puts into the file is what a running router takes over: nothing of it waits for the next start. Needs root.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { makeIdentity } from "../../failures/bundles.testkit.ts";
import { type Actor, act, makeNamespaces, removeNamespaces } from "../namespaces.testkit.ts";
import type { Instance } from "./init.testkit.ts";

const NAMESPACE = `ow-${process.pid}`;
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";
/** Waits end when it happens; a busy machine may take its time. */
const LIMIT = 20_000;

const { command, file } = JSON.parse(readFileSync("targets/router/openwrt/instance.golden.json", "utf8")) as Instance;
const scratch = mkdtempSync(join(tmpdir(), "sealcast-reload-"));
const path = join(scratch, "router.json");
const identity = join(scratch, "identity");
/** With keys of this machine, and a server that is away. */
const settings = [
  ...command.filter((word, i) => command[i - 1] === "--set" && !/^(broker|identity|taps|hal)\b/.test(word)),
  ...["taps=true", "broker.url=mqtt://127.0.0.1:1", `identity=${identity}`],
];

const write = (content: object): void => writeFileSync(path, JSON.stringify(content));
/** Two upstreams have to differ in something; what is enforced is kept where an argument says. */
const LITTLE = {
  upstreams: [{ groups: ["239.7.0.0/16"] }, {}],
  downstreams: file.downstreams.map(() => ({})),
  enforce: { groups: ["239.7.0.0/16"], afterwards: "open" },
};

before(() => (skip === false ? makeNamespaces([NAMESPACE]) : undefined));
after(async () => {
  rmSync(scratch, { recursive: true });
  if (root) await removeNamespaces([NAMESPACE]);
});

async function reload(router: Actor): Promise<readonly string[]> {
  const from = router.lines.length;
  router.process.kill("SIGHUP");
  await router.saw(/configuration reloaded|going on with the old/, LIMIT, from);
  return router.lines.slice(from);
}

test("a reload of everything that is in the file leaves nothing for the next start", { skip }, async () => {
  write(LITTLE);
  makeIdentity("router", "box-1", identity);
  const words = settings.flatMap((setting) => ["--set", setting]);
  const router = act(NAMESPACE, process.execPath, "dist/router.cjs", "--config", path, ...words);
  await router.saw(/"msg":"running/, LIMIT);
  write(file);
  const lines = await reload(router);
  assert.match(lines.at(-1) ?? "", /configuration reloaded/);
  assert.deepEqual(
    lines.filter((line) => line.includes("next start")),
    [],
  );
});
