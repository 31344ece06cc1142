// compare:igmp, our column: in every case of the comparison with other routers the picture stays. Needs root.
import assert from "node:assert/strict";
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
  assert.deepEqual(
    rows.filter(({ holds }) => !holds),
    [],
  );
});
