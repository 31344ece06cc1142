// npm run bench [-- --json FILE] [--quick] [PART-OF-A-NAME...]: what sealcast costs beside the plainest thing that does the same job.
// --quick shows that the measuring works, in a few seconds; its figures mean nothing.
// Each module here exports run({ quick }): figures { name, unit, ours, against, theirs }; ratio = ours / theirs is added.
import { readdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { step } from "../checks/steps.mjs";
import { printFigure, withRatio } from "./support/figures.mjs";

const { values, positionals } = parseArgs({
  options: { json: { type: "string" }, quick: { type: "boolean", default: false } },
  allowPositionals: true,
});

if (!step("set-up", "./scripts/setup", []) || !step("types", "node_modules/.bin/tsc", ["-b"])) process.exit(1);

const modules = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".mjs") && name !== "main.mjs" && !name.endsWith(".test.mjs"))
  .filter((name) => positionals.length === 0 || positionals.some((part) => name.includes(part)))
  .sort();
const figures = [];
let failed = 0;
for (const name of modules) {
  try {
    const { run } = await import(`./${name}`);
    for (const figure of await run({ quick: values.quick })) {
      const compared = withRatio(figure);
      figures.push(compared);
      printFigure(compared);
    }
  } catch (error) {
    failed += 1;
    process.stdout.write(`${name}: FAILED: ${error instanceof Error ? error.stack : error}\n`);
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ figures }, undefined, 2)}\n`);
process.exit(failed === 0 ? 0 : 1);
