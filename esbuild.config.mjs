// One CommonJS file per target in dist/, native addons inside it. `node esbuild.config.mjs [target ...]`.
// SEALCAST_WITHOUT_ADDONS=1 leaves the addons out; SEALCAST_DIST is another directory than dist/.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const TARGETS = ["headend", "router", "settop", "control", "keyserver", "reception", "replay"];
const dist = resolve(process.env.SEALCAST_DIST ?? join(root, "dist"));
const withAddons = process.env.SEALCAST_WITHOUT_ADDONS !== "1";

/** The module that stands for a .node file: loads it through hal/embedded-native. */
function addonModule(file) {
  const id = relative(join(root, "node_modules"), file).split("\\").join("/");
  const bytes = withAddons && existsSync(file) ? readFileSync(file) : undefined;
  const packed =
    bytes === undefined
      ? ""
      : brotliCompressSync(bytes, {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
        }).toString("base64");
  const addon = {
    id,
    platform: process.platform,
    arch: process.arch,
    abi: process.versions.modules,
    sha256: bytes === undefined ? "" : createHash("sha256").update(bytes).digest("hex"),
    packed,
  };
  return `const { loadEmbedded } = require(${JSON.stringify(join(root, "hal/embedded-native.ts"))});
module.exports = loadEmbedded(${JSON.stringify(addon)});`;
}

/** .node files, and `bindings` as better-sqlite3 asks for its own, become modules of the bundle. */
const nativeAddons = {
  name: "native-addons",
  setup(builder) {
    builder.onResolve({ filter: /\.node$/ }, (from) => ({
      path: resolve(from.resolveDir, from.path),
      namespace: "addon",
    }));
    builder.onLoad({ filter: /.*/, namespace: "addon" }, ({ path }) => ({
      contents: addonModule(path),
      loader: "js",
      resolveDir: root,
    }));
    builder.onResolve({ filter: /^bindings$/ }, (from) => ({ path: from.importer, namespace: "bindings" }));
    builder.onLoad({ filter: /better-sqlite3/, namespace: "bindings" }, () => ({
      contents: `module.exports = () => require(${JSON.stringify(
        join(root, "node_modules/better-sqlite3/build/Release/better_sqlite3.node"),
      )});`,
      loader: "js",
      resolveDir: root,
    }));
  },
};

async function bundle(target) {
  const outfile = join(dist, `${target}.cjs`);
  await build({
    entryPoints: [join(root, "targets", target, "main.ts")],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    minify: true,
    legalComments: "none",
    charset: "utf8",
    banner: { js: "#!/usr/bin/env node" },
    define: { SEALCAST_VERSION: JSON.stringify(version), "process.env.NODE_ENV": '"production"' },
    // Optional parts of dependencies that the bundle never uses.
    external: ["bufferutil", "utf-8-validate"],
    plugins: [nativeAddons],
    logLevel: "warning",
  });
  await chmod(outfile, 0o755);
  const bytes = await readFile(outfile);
  return { target, raw: (await stat(outfile)).size, gzip: gzipSync(bytes, { level: 9 }).length };
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
