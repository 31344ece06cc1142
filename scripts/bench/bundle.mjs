// Octets of each bundle beside a bundle of the MQTT client and the cipher library alone, raw and gzip.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const TARGETS = ["settop", "headend", "router", "control", "keyserver", "reception", "replay"];
const PLAIN = 'import mqtt from "mqtt"; import { gcm } from "@noble/ciphers/aes.js"; console.log(mqtt.connect, gcm);';

const sizes = (/** @type {Uint8Array} */ bytes) => ({ raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length });

async function plainBundle() {
  const built = await build({
    stdin: { contents: PLAIN, resolveDir: process.cwd() },
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    minify: true,
    legalComments: "none",
    external: ["bufferutil", "utf-8-validate"],
    write: false,
    logLevel: "silent",
  });
  return sizes(built.outputFiles[0]?.contents ?? new Uint8Array());
}

export async function run() {
  const theirs = await plainBundle();
  return TARGETS.flatMap((target) => {
    const ours = sizes(readFileSync(`dist/${target}.cjs`));
    return /** @type {const} */ (["raw", "gzip"]).map((form) => ({
      name: `bundle of ${target}, ${form}`,
      unit: "octets",
      ours: ours[form],
      against: "mqtt + noble alone",
      theirs: theirs[form],
    }));
  });
}
