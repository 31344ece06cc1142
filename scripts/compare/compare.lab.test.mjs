// compare:igmp, our column: in every case of the comparison with other routers the picture stays. Needs root.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, test } from "node:test";
import { removeNamespaces } from "../../build/targets/router/namespaces.testkit.js";
import { ROUTERS } from "../bench/igmp/routers.mjs";
import { Run } from "../lab/run.mjs";
import { columnOf } from "./table.mjs";

const run = new Run();
after(async () => {
  await removeNamespaces([]);
  await run.close();
});

test("our router holds in every case of the comparison", async () => {
  const [ours] = ROUTERS;
  assert.ok(ours);
  /** @type {import("./table.mjs").Row[]} */
  const rows = [];
  await columnOf(run, ours, (row) => void rows.push(row));
  assert.ok(rows.length >= 10, `${rows.length} cases`);
  const failed = rows.filter(({ holds }) => !holds);
  assert.equal(failed.length, 0, `${JSON.stringify(failed)}\n${failed.length > 0 ? run.logs(20) : ""}`);
});

test("a short soak, with a querier upstream and without: the viewer gets every packet", () => {
  const args = ["scripts/compare/soak.mjs", "--as-built", "--minutes", "0.05"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 120_000 });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /yes {2}sealcast, an upstream that asks: \d+ of \d+ packets/);
  assert.match(stdout, /yes {2}sealcast, an upstream that never asks: \d+ of \d+ packets/);
});

test("a peer that there is not is refused by name", () => {
  for (const script of ["main", "soak"]) {
    const args = [`scripts/compare/${script}.mjs`, "--peers", "quagga"];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 64);
    assert.match(stderr, /no router is named quagga/);
  }
});
