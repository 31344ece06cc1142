// The kernel that the machine of the lab boots: User-mode Linux, which is an ordinary process here, and needs neither KVM nor emulation.
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { command } from "../lab/command.mjs";

const PACKAGE = "user-mode-linux";
/** Where what is fetched is kept, and where runs have their folders. */
export const FOLDER = resolve(import.meta.dirname, "../../build/vm");

/** @typedef {{ program: string, modules: string }} Kernel `modules`: the folder of its version, with modules.dep */

/** The kernel of a system at `root`, if it is there. @param {string} root @returns {Kernel | undefined} */
function kernelIn(root) {
  const [program, folder] = [join(root, "usr/bin/linux.uml"), join(root, "usr/lib/uml/modules")];
  if (!existsSync(program) || !existsSync(folder)) return undefined;
  const modules = readdirSync(folder).find((version) => existsSync(join(folder, version, "modules.dep")));
  return modules === undefined ? undefined : { program, modules: join(folder, modules) };
}

const isInstalled = (/** @type {string} */ program) =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

/** Why it cannot be fetched; undefined when it can. */
function whyNotFetched() {
  if (process.arch !== "x64") return `Debian has ${PACKAGE} for amd64 only, and this is ${process.arch}`;
  const missing = ["apt-get", "dpkg-deb"].filter((program) => !isInstalled(program));
  return missing.length === 0 ? undefined : `without ${missing.join(" and ")} the package ${PACKAGE} is not fetched`;
}

/** Of the machine's sources, whose signatures apt checks. Throws with what apt says. @returns {Kernel | undefined} */
function fetched() {
  const root = join(FOLDER, "kernel");
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  command("apt-get", ["download", "-qq", PACKAGE], { cwd: FOLDER });
  const file = readdirSync(FOLDER).find((name) => name.startsWith(`${PACKAGE}_`)) ?? "";
  command("dpkg-deb", ["-x", join(FOLDER, file), root]);
  rmSync(join(FOLDER, file));
  return kernelIn(root);
}

/**
 * That of the installed package, or of one that was fetched before; else it is fetched now.
 * @param {(line: string) => void} say
 * @returns {Kernel | string} why there is none
 */
export function kernelFor(say) {
  const there = kernelIn("/") ?? kernelIn(join(FOLDER, "kernel"));
  if (there !== undefined) return there;
  const why = whyNotFetched();
  if (why !== undefined) return why;
  say(`fetching Debian's ${PACKAGE} into build/vm: 41 MB to download, 116 MB on the disk, once`);
  try {
    return fetched() ?? `${PACKAGE} is not as expected: no linux.uml, or no modules`;
  } catch (error) {
    return `${PACKAGE} cannot be fetched (apt-get update first?): ${error instanceof Error ? error.message : error}`;
  }
}
