// Figures side by side: ratios, bounds, gaps with their reason; a peer that is not there or fails has a reason instead of figures.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { columnOf, measurePart } from "./columns.mjs";
import { linesOf, sideBySide } from "./figures.mjs";
import { changesText, OURS } from "./routers.mjs";

/** @typedef {import("./parts.mjs").Value} Value */

const delay = (/** @type {number} */ value) => /** @type {Value} */ ({ name: "join delay", unit: "ms", value });
/** A router that says how it would be measured. @param {string} name @param {string} [program] */
const router = (name, program = process.execPath) => ({
  name,
  package: "some-package",
  program,
  cannot: {},
  start: () => Promise.reject(new Error("is not started here")),
});
/** @param {ReturnType<typeof router>} one @returns {any} */
const measurement = (one) => ({ site: undefined, router: one, quick: true });
/** @type {import("./parts.mjs").Part} */
const part = {
  what: "",
  measure: ({ router: { name } }) =>
    name === "broken" ? Promise.reject(new Error("it ended")) : Promise.resolve([delay(name === "sealcast" ? 3 : 2)]),
};

test("a figure is ours, each peer's, and the ratio of ours to theirs", () => {
  const [figure] = sideBySide("join", [delay(3)], [{ name: "peer", values: [delay(2)] }]);
  assert.deepEqual(figure, {
    part: "join",
    name: "join delay",
    unit: "ms",
    ours: 3,
    peers: [{ name: "peer", value: 2, ratio: 1.5 }],
  });
  assert.ok(figure);
  assert.deepEqual(linesOf([figure]), ["  join delay  3 ms  peer 2 (ratio 1.5)"]);
});

test("a figure that only the tester bounds says so, ours and theirs", () => {
  const most = { ...delay(5), atLeast: true };
  const figures = sideBySide("join", [most], [{ name: "peer", values: [most] }]);
  assert.deepEqual(linesOf(figures), ["  join delay  >=5 ms  peer >=5 (ratio 1)"]);
});

test("there is no ratio to nothing", () => {
  const [figure] = sideBySide("join", [delay(3)], [{ name: "peer", values: [delay(0)] }]);
  assert.deepEqual(figure?.peers, [{ name: "peer", value: 0, ratio: null }]);
});

test("a gap has its reason, once for all figures", () => {
  const values = [delay(3), { ...delay(4), name: "other delay" }];
  const lines = linesOf(sideBySide("join", values, [{ name: "peer", cannot: "it is deaf" }]));
  assert.deepEqual(lines, ["  join delay   3 ms  peer -", "  other delay  4 ms  peer -", "  peer -: it is deaf"]);
});

test("a peer that is not installed, cannot do a part or fails in it says so, and the others are measured", async () => {
  const absent = router("absent", "/nowhere/absent");
  const deaf = { ...router("deaf"), cannot: { join: "it is deaf" } };
  const routers = [router("sealcast"), absent, deaf, router("broken"), router("peer")];
  const [figure] = await measurePart("join", part, routers.map(measurement));
  assert.deepEqual(figure?.peers, [
    { name: "absent", cannot: "absent is not installed: the package some-package has it" },
    { name: "deaf", cannot: "it is deaf" },
    { name: "broken", cannot: "failed: it ended" },
    { name: "peer", value: 2, ratio: 1.5 },
  ]);
});

test("without ours there is no figure", async () => {
  const ours = router("sealcast", "/nowhere/router.cjs");
  assert.ok("cannot" in (await columnOf("join", part, measurement(ours))));
  await assert.rejects(measurePart("join", part, [measurement(ours)]), /sealcast is not installed/);
});

test("the run says what it changes of our defaults, and the defaults are those of the documentation", () => {
  const rows = readFileSync("docs/configuration.md", "utf8").split("\n");
  for (const { setting, value, usual } of OURS) {
    assert.ok(changesText().includes(`${setting} ${value} (default ${usual})`));
    const [, names = "", defaults = ""] = rows.find((row) => row.includes(`\`${setting}\``))?.split("|") ?? [];
    const place = names.split(",").findIndex((name) => name.trim() === `\`${setting}\``);
    assert.equal(Number(defaults.split(",")[place]), usual, setting);
  }
});
