// One CommonJS file per target in dist/, native addons and licence texts inside it. `node esbuild.config.mjs [target ...]`.
// SEALCAST_WITHOUT_ADDONS=1 leaves the addons out; SEALCAST_DIST is another directory than dist/.
import { readFileSync } from "node:fs";
import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { nativeAddons } from "./scripts/bundle/addons.mjs";
import { licensesText, thirdPartyText, worksIn } from "./scripts/bundle/licenses.mjs";

const root = dirname(fileURLToPath(import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const TARGETS = ["headend", "router", "settop", "control", "keyserver", "reception", "replay"];
/** Stands in the bundle where the texts go: which they are is known only after it has been made. */
const LICENSES = "@sealcast-licenses@";
const dist = resolve(process.env.SEALCAST_DIST ?? join(root, "dist"));
const addons = nativeAddons({ inside: process.env.SEALCAST_WITHOUT_ADDONS !== "1" });

/**
 * The bundle's text before its licences are in it, and the files it was made of.
 * @param {string} target
 * @returns {Promise<{ text: string, inputs: string[] }>}
 */
async function compile(target) {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(root, "targets", target, "main.ts")],
    absWorkingDir: root,
    outfile: `${target}.cjs`,
    write: false,
    metafile: true,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    minify: true,
    legalComments: "none",
    charset: "ascii",
    banner: { js: "#!/usr/bin/env node" },
    define: {
      SEALCAST_VERSION: JSON.stringify(manifest.version),
      SEALCAST_LICENSES: JSON.stringify(LICENSES),
      "process.env.NODE_ENV": '"production"',
    },
    // Optional parts of dependencies that the bundle never uses.
    external: ["bufferutil", "utf-8-validate"],
    plugins: [addons],
    logLevel: "warning",
  });
  const [output] = outputFiles;
  const inputs = Object.values(metafile.outputs)
    .flatMap((one) => Object.entries(one.inputs))
    .flatMap(([input, { bytesInOutput }]) => (bytesInOutput > 0 ? [input] : []));
  if (output === undefined) throw new Error(`the bundler made nothing of ${target}`);
  return { text: output.text, inputs };
}

/**
 * @param {string} text
 * @param {string} licenses
 */
function withLicenses(text, licenses) {
  const [before, after, ...more] = text.split(LICENSES);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error("the bundle has not exactly one place for its licences");
  }
  return before + brotliCompressSync(licenses).toString("base64") + after;
}

/** @param {string} target */
async function bundle(target) {
  const { text, inputs } = await compile(target);
  const thirdParty = thirdPartyText(`${target}.cjs`, worksIn(inputs, root));
  const bytes = Buffer.from(withLicenses(text, licensesText(manifest, root, thirdParty)));
  const file = join(dist, `${target}.cjs`);
  // Whoever runs the bundle meanwhile has the old one or the new one, never a part.
  const unfinished = `${file}.${process.pid}`;
  await writeFile(unfinished, bytes);
  await chmod(unfinished, 0o755);
  await rename(unfinished, file);
  await writeFile(join(dist, `${target}.THIRD-PARTY.txt`), thirdParty);
  return { target, raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
}

await mkdir(dist, { recursive: true });
const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (!TARGETS.includes(name)) throw new Error(`no target ${name}; there are ${TARGETS.join(", ")}`);
}
const built = await Promise.all((wanted.length > 0 ? wanted : TARGETS).map(bundle));
for (const { target, raw, gzip } of built) {
  console.log(
    join(relative(process.cwd(), dist), `${target}.cjs`).padEnd(22),
    `${(raw / 1024).toFixed(0)} KiB`,
    `(${(gzip / 1024).toFixed(0)} KiB gzip)`,
  );
}
if (wanted.length === 0) await writeFile(join(dist, "sizes.json"), `${JSON.stringify(built, undefined, 2)}\n`);
