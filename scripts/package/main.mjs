// The router for OpenWrt: an .ipk (opkg, up to 24.10) and an ImageBuilder FILES overlay, reproducible, in dist/openwrt/.
// One for every processor: the addons of all of them are in the bundle. `node scripts/package/main.mjs [output folder]`. SOURCE_DATE_EPOCH sets the time inside.
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { addonFor, buildSockets } from "../native/build.mjs";
import { shippedProcessors } from "../native/processors.mjs";
import { foldersOf, tar } from "./tar.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const output = resolve(process.argv[2] ?? join(root, "dist/openwrt"));
const time = Number(process.env.SOURCE_DATE_EPOCH ?? 1_767_225_600);
const { version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const NAME = "sealcast-router";
const RELEASE = `${version}-1`;
const FILES = join(root, "targets/router/openwrt/files");
const BUNDLE = join(root, "dist/router.cjs");
const LICENSES = `usr/share/licenses/${NAME}`;
const EXECUTABLE = [/^etc\/init\.d\//, /^etc\/uci-defaults\//];

/** opkg keeps what the owner changed. */
const CONFFILES = ["/etc/config/sealcast-router"];

/** They want the kernel's one multicast routing socket too. */
const CONFLICTS = ["igmpproxy", "omcproxy"];

/** In the stock feed. */
const DEPENDS = ["node"];

/** What OpenWrt calls the processors, by Node's name for each. @type {Readonly<Record<string, string>>} */
const OPENWRT = { x64: "x86_64", arm64: "aarch64", arm: "arm with an FPU", riscv64: "riscv64" };

/** Processors whose addon the bundle holds; which that are is known by the addons' hashes. @param {string} bundle */
const processorsIn = (bundle) => shippedProcessors().filter((arch) => bundle.includes(addonHash(arch)));

function addonHash(/** @type {string} */ arch) {
  const file = addonFor(arch);
  return existsSync(file) ? createHash("sha256").update(readFileSync(file)).digest("hex") : NOWHERE;
}
/** In no bundle. */
const NOWHERE = "@no-such-addon@";

/**
 * A line that begins with a space goes on with the one before.
 * @param {string[]} processors
 */
function descriptionFor(processors) {
  const names = processors.map((arch) => OPENWRT[arch] ?? arch).sort();
  return [
    "IGMP querier and proxy, multicast routing, and evidence of who receives",
    ` Its own socket addon is inside, for ${names.length === 0 ? "no processor" : names.join(", ")}; it loads with musl and glibc.`,
    " For another processor put a sealcast_sockets.node compiled for it into /usr/lib/sealcast-router. Without one",
    " the router takes node-raw-socket (not in the stock feed), and has no takeover, no MACs from packets, no counted losses.",
  ].join("\n");
}

/** @typedef {import("./tar.mjs").Entry} Entry */

const modeOf = (/** @type {string} */ path) => (EXECUTABLE.some((pattern) => pattern.test(path)) ? 0o755 : 0o644);

/** @param {string} folder @returns {Generator<string>} */
function* filesIn(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else yield path;
  }
}

/** What is installed, by its path below /. @returns {Entry[]} */
function installed() {
  const own = [...filesIn(FILES)].map((file) => {
    const path = relative(FILES, file).split("\\").join("/");
    return { path, mode: modeOf(path), content: readFileSync(file) };
  });
  return [
    ...own,
    { path: `usr/lib/${NAME}/router.cjs`, mode: 0o644, content: readFileSync(BUNDLE) },
    { path: `usr/bin/${NAME}`, link: "node" },
    { path: `${LICENSES}/LICENSE`, mode: 0o644, content: readFileSync(join(root, "LICENSE")) },
    {
      path: `${LICENSES}/THIRD-PARTY.txt`,
      mode: 0o644,
      content: readFileSync(join(root, "dist/router.THIRD-PARTY.txt")),
    },
  ];
}

const script = (/** @type {"postinst" | "prerm"} */ action) =>
  Buffer.from(`#!/bin/sh
[ "\${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "\${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "\${IPKG_INSTROOT}/lib/functions.sh"
default_${action} $0 $@
`);

/** @param {Entry[]} entries @param {string[]} processors @returns {Entry[]} */
function controlFiles(entries, processors) {
  const size = entries.reduce((sum, { content }) => sum + (content?.length ?? 0), 0);
  const control = [
    `Package: ${NAME}`,
    `Version: ${RELEASE}`,
    `Depends: ${DEPENDS.join(", ")}`,
    `Conflicts: ${CONFLICTS.join(", ")}`,
    "Source: feeds/sealcast/sealcast-router",
    `License: ${license}`,
    "Section: net",
    "Architecture: all",
    `Installed-Size: ${size}`,
    `Description: ${descriptionFor(processors)}`,
    "",
  ].join("\n");
  return [
    { path: "control", content: Buffer.from(control) },
    { path: "conffiles", content: Buffer.from(CONFFILES.map((path) => `${path}\n`).join("")) },
    { path: "postinst", mode: 0o755, content: script("postinst") },
    { path: "prerm", mode: 0o755, content: script("prerm") },
  ];
}

const dotted = (/** @type {Entry[]} */ entries) => entries.map((entry) => ({ ...entry, path: `./${entry.path}` }));

/** @param {Entry[]} entries */
function archive(entries) {
  const folders = foldersOf(entries.map(({ path }) => path)).filter(({ path }) => path !== ".");
  return gzipSync(tar([{ path: "." }, ...dotted([...folders, ...entries])], time), { level: 9 });
}

/** An .ipk is a gzipped tar (not ar) of three members. @param {Entry[]} entries @param {string[]} processors */
function ipk(entries, processors) {
  const members = [
    { path: "./control.tar.gz", content: archive(controlFiles(entries, processors)) },
    { path: "./data.tar.gz", content: archive(entries) },
    { path: "./debian-binary", content: Buffer.from("2.0\n") },
  ];
  return gzipSync(tar(members, time), { level: 9 });
}

/** @param {string} folder @param {Entry[]} entries */
function writeOverlay(folder, entries) {
  rmSync(folder, { recursive: true, force: true });
  for (const { path, mode, content, link } of entries) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    if (link !== undefined) symlinkSync(link, file);
    else {
      writeFileSync(file, content ?? "");
      chmodSync(file, mode ?? 0o644);
    }
  }
}

if (!existsSync(BUNDLE)) {
  process.stderr.write("dist/router.cjs is not there: run `npm run build` first\n");
  process.exit(1);
}
const entries = installed();
const processors = processorsIn(readFileSync(BUNDLE, "latin1"));
for (const arch of shippedProcessors().filter((arch) => !processors.includes(arch))) {
  const why = buildSockets(arch) ?? "dist/router.cjs was built before it: npm run build";
  process.stderr.write(`the package has no socket addon for ${OPENWRT[arch] ?? arch}: ${why}\n`);
}
mkdirSync(output, { recursive: true });
const file = join(output, `${NAME}_${RELEASE}_all.ipk`);
writeFileSync(file, ipk(entries, processors));
writeOverlay(join(output, "overlay"), entries);
process.stdout.write(`${relative(process.cwd(), file)}\n${relative(process.cwd(), join(output, "overlay"))}\n`);
