// Which test files there are, what each needs, and in which order they run: the longest first, so that none is waited for at the end.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";

/** Folders whose tests are TypeScript and run from build/, then the one whose tests run as they are. */
const COMPILED = ["core", "hal", "targets"];
const PLAIN = ["scripts"];

/** Those that take more than five seconds, the longest first: of the lab, then of what runs beside it; measured on two cores. */
const LONG = [
  "targets/router/proxy-reporting.lab",
  "targets/router/takeover.lab",
  "scripts/lab/figure-two",
  "scripts/lab/faults",
  "scripts/compare/compare",
  "targets/router/snooping",
  "targets/router/strangers",
  "targets/router/enforce.lab",
  "targets/router/router.lab",
  "targets/router/view",
  "scripts/lab/entitlement",
  "targets/router/conformance",
  "targets/router/lan",
  "scripts/lab/routing",
  "scripts/show/demo",
  "targets/router/upstream.lab",
  "targets/settop/membership-refresh.lab",
  "targets/router/evidence.lab",
  "targets/settop/sysv/init",
  "scripts/checks/readme",
  "hal/forwarding/takeover",
  "targets/simulation/misfortune",
  "targets/operator",
  "targets/failures",
  "targets/bundles",
  "targets/replay/replay",
  "targets/control/arrangements",
  "scripts/bench/bench",
  "scripts/checks/rules",
  "targets/headend/service",
  "scripts/checks/run",
  "hal/enforcement",
  "hal/bus/bus",
  "hal/tap",
  "targets/shipped",
];

/**
 * @typedef {"unit" | "bundle" | "foreign" | "lab" | "vm"} Kind
 *   unit: its own process and what it makes; bundle: runs what is in dist/; foreign: another processor in qemu; lab: network namespaces
 *   and raw sockets, which are root's; vm: a lab that needs another kernel, in a machine of its own (scripts/vm), and is in no run unless
 *   it is asked for
 * @typedef {{ source: string, file: string, kind: Kind }} TestFile `file` is what node runs
 */

/**
 * Every file below `folder` whose name ends in `ending`.
 * @param {string} folder
 * @param {string} ending
 * @returns {string[]}
 */
function filesBelow(folder, ending) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending) && !name.includes("node_modules"))
    .map((name) => posix.join(folder, name.split("\\").join("/")));
}

/** Source test to the file that node runs: core/igmp/x.test.ts is build/core/igmp/x.test.js. */
const compiled = (/** @type {string} */ source) => posix.join("build", source.replace(/\.ts$/, ".js"));

const LAB = /\.lab\.test\.(ts|mjs)$/;
const VM = /\.vm\.test\.(ts|mjs)$/;
/** A file of ours that another one imports. */
const IMPORT = /\bfrom "(\.[^"]+)"/g;
/** Words with which a test says that it runs what was built. */
const RUNS_BUNDLES =
  /["'`/]dist["'`/]|scripts\/(?:show|lab|package|bench)\/main\.mjs|README\.md has a block|SEALCAST_DIST|\/main\.js\b/;

/** And that it has to do with the process that it runs in, or waits: for another process, a namespace, a timer. */
const NEEDS_ITS_PROCESS =
  /node:(?:child_process|dgram|http|net|timers|tls|v8|worker_threads)|inNamespace|clock\/system|set(?:Timeout|Interval)\b|memoryUsage|process\.(?:on|emitWarning|chdir|exitCode|title|umask|kill)\b|process\.env\.\w+ =|delete process\.env|mock\./;

/**
 * True when the file, or test support that it imports, says such words.
 * @param {string} source
 * @param {RegExp} words
 * @param {Set<string>} seen
 */
function says(source, words, seen = new Set()) {
  seen.add(source);
  const text = readFileSync(source, "utf8");
  if (words.test(text)) return true;
  for (const [, specifier = ""] of text.matchAll(IMPORT)) {
    const other = posix.join(posix.dirname(source), specifier);
    if (/\.testkit\.ts$|^scripts\//.test(other) && !seen.has(other) && existsSync(other) && says(other, words, seen)) {
      return true;
    }
  }
  return false;
}

/** @param {string} source @returns {Kind} */
function kindOf(source) {
  if (LAB.test(source)) return "lab";
  if (VM.test(source)) return "vm";
  if (source.startsWith("scripts/foreign/")) return "foreign";
  return says(source, RUNS_BUNDLES) ? "bundle" : "unit";
}

/** Every kind that a run has when nobody asks for the machine. @type {readonly Kind[]} */
export const KINDS = ["unit", "bundle", "foreign", "lab"];

/** Place in the list of the long ones, behind all of them when it is not there. @param {TestFile} test */
function placeOf({ source }) {
  const place = LONG.findIndex((long) => source.startsWith(long));
  return place < 0 ? LONG.length : place;
}

/** Of every kind. @returns {TestFile[]} */
export function allTests() {
  const compiledTests = COMPILED.flatMap((folder) => filesBelow(folder, ".test.ts"));
  const plainTests = PLAIN.flatMap((folder) => filesBelow(folder, ".test.mjs"));
  return [
    ...compiledTests.map((source) => ({ source, file: compiled(source), kind: kindOf(source) })),
    ...plainTests.map((source) => ({ source, file: source, kind: kindOf(source) })),
  ].sort(
    (a, b) =>
      placeOf(a) - placeOf(b) || KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || (a.source < b.source ? -1 : 1),
  );
}

/** Network namespaces and raw sockets are root's. */
export const isRoot = () => process.getuid?.() === 0;

/**
 * The files to run, and in words what is left out.
 * @param {string[]} parts only files with one of these in their path; all when empty
 * @param {readonly Kind[]} [kinds] all but those of the machine when left out
 * @returns {{ tests: TestFile[], skipped: string[] }}
 */
export function chooseTests(parts, kinds = KINDS) {
  const wanted = allTests().filter(
    (test) => kinds.includes(test.kind) && (parts.length === 0 || parts.some((part) => test.source.includes(part))),
  );
  const tests = wanted.filter(({ kind }) => kind !== "lab" || isRoot());
  const left = wanted.length - tests.length;
  return {
    tests,
    skipped: left > 0 ? [`${left} lab files need root (network namespaces): sudo ./scripts/test`] : [],
  };
}

/** Its tester takes a core at real-time priority: what runs beside it loses packets. */
export const isMeasuring = (/** @type {TestFile} */ { source }) => source.startsWith("scripts/bench/igmp/igmp.lab");

/** Each file in a process of its own, as runTests wants them. @param {TestFile[]} tests */
export const apart = (tests) => tests.map(({ file }) => [file]);

/** Most tests of the product compute, and leave nothing in their process that another one could see: they can share it. */
const canShare = (/** @type {TestFile} */ { source, file, kind }) =>
  kind === "unit" && source !== file && !says(source, NEEDS_ITS_PROCESS);
/** Processes for them: each short enough that no core of the machine idles at the end, and few enough that their starts hardly count. */
const PROCESSES = 8;

/** Every eighth file in the same process: neighbours take alike, and are apart. @param {TestFile[]} tests @returns {string[][]} */
const dealt = (tests) =>
  Array.from({ length: PROCESSES }, (_, first) =>
    tests.filter((_, index) => index % PROCESSES === first).map(({ file }) => file),
  ).filter(({ length }) => length > 0);

const isLong = (/** @type {TestFile} */ test) => placeOf(test) < LONG.length;

/** Those that compute and wait for nothing, several to a process. @param {TestFile[]} tests */
export const computing = (tests) => dealt(tests.filter(canShare));

/** The others, each in a process of its own. @param {TestFile[]} tests */
export const others = (tests) => apart(tests.filter((test) => !canShare(test)));

/** Those that can share processes do, every other file has its own; as runTests wants them. @param {TestFile[]} tests */
export const sharing = (tests) => [
  ...others(tests.filter(isLong)),
  ...computing(tests),
  ...others(tests.filter((test) => !isLong(test))),
];
