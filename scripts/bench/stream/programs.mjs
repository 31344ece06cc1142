// media.c, compiled once a run: with libsrtp2 where its header is, without where not.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../../..");
const SOURCES = [join(import.meta.dirname, "media.c"), join(ROOT, "hal/native/srtp.c")];
/** Debian's libssl3, by its file. */
const OPENSSL = ["-Wl,--no-as-needed", "-l:libcrypto.so.3"];

/** What libsrtp2 is not measured for; undefined where it is. */
export const lackOfLibsrtp = existsSync("/usr/include/srtp2/srtp.h")
  ? undefined
  : "srtp2/srtp.h is not here (Debian: libsrtp2-dev)";

/** The program's path. Throws with the compiler's words. @param {string} folder */
export function compileMedia(folder) {
  const program = join(folder, "media");
  const more = lackOfLibsrtp === undefined ? ["-DLIBSRTP", "-lsrtp2"] : [];
  const args = ["-O2", "-Wall", "-Wextra", "-o", program, ...SOURCES, ...OPENSSL, ...more];
  const { status, stderr, error } = spawnSync(process.env.CC ?? "cc", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`cc ${args.join(" ")}: ${error?.message ?? stderr}`);
  return program;
}

/** Runs one of its modes to the end; what it says. @param {string} program @param {string[]} args @returns {any} */
export function mediaSays(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`media ${args[0]}: ${error?.message ?? stderr}`);
  return JSON.parse(stdout);
}
