// npm run lab:vm: lab tests in a machine of their own, with a kernel that has what this one may not: VLAN devices, and bridges that filter
// VLANs.
//   npm run lab:vm [-- PART...]    the files *.vm.test.ts, or every test file with one of these in its path
import { optionsOf } from "../checks/command-line.mjs";
import { step } from "../checks/steps.mjs";
import { allTests } from "../checks/tests.mjs";
import { runInside } from "./boot.mjs";
import { kernelFor } from "./kernel.mjs";

/** EX_UNAVAILABLE of sysexits.h. */
const UNAVAILABLE = 69;
/** Milliseconds for all. */
const LIMIT = 3_600_000;
/** A part of a unit test's file that only such a kernel has. */
const ALSO = ["hal/links/bridge-vlans"];

const parts = optionsOf("lab:vm", () => process.argv.slice(2));
const say = (/** @type {string} */ line) => process.stdout.write(`lab:vm: ${line}\n`);

const isMeant = (/** @type {import("../checks/tests.mjs").TestFile} */ { source, kind }) =>
  parts.length > 0
    ? parts.some((part) => source.includes(part))
    : kind === "vm" || ALSO.some((one) => source.includes(one));

/** @param {number} code @param {string} line */
function end(code, line) {
  say(line);
  process.exit(code);
}

const kernel = kernelFor(say);
if (typeof kernel === "string") end(UNAVAILABLE, kernel);
else {
  const built =
    step("types", "node_modules/.bin/tsc", ["-b"]) &&
    step("socket addon", process.execPath, ["scripts/native/build.mjs"]) &&
    step("bundles", process.execPath, ["esbuild.config.mjs"]);
  if (!built) end(1, "types or bundles failed (see above)");
  const files = allTests().filter(isMeant);
  if (files.length === 0) end(1, "no test file matches");
  const begin = performance.now();
  const code = await runInside(
    kernel,
    files.map(({ file }) => file),
    LIMIT,
  );
  if (typeof code === "string") end(1, `the machine came to no end of its tests; it said:\n${code}`);
  else end(code, `${code === 0 ? "ok" : "FAILED"} in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}
