// nftables by its own program, a process for each batch of commands (`nft -f -`): `nft -i` would save that, but is not there in the builds
// of small systems.
import { spawn, spawnSync } from "node:child_process";
import { HalError } from "../core/ports/errors.ts";

/** Elements in one command: a line of some 30 octets each. */
const BATCH = 1024;

/** Who uses it, as its errors say. */
export interface NftUse {
  /** The first part of their codes. */
  readonly code: string;
  /** "guard bridge ports" */
  readonly task: string;
  /** Where the program is not there. */
  readonly alternative: string;
}

/** Waits for the program. */
export const runNft = (words: readonly string[], input?: string) =>
  spawnSync("nft", words, { encoding: "utf8", ...(input === undefined ? {} : { input }) });

/** Resolves when the commands, one transaction, are in force, or with what went wrong; with what they print. */
export function nft(use: NftUse, commands: string): Promise<{ readonly fault?: HalError; readonly output: string }> {
  return new Promise((resolve) => {
    const child = spawn("nft", ["-f", "-"], { stdio: ["pipe", "pipe", "pipe"] });
    let [output, complaint] = ["", ""];
    child.stdout.on("data", (text) => {
      output += String(text).slice(0, 65_536 - output.length);
    });
    child.stderr.on("data", (text) => {
      complaint += String(text).slice(0, 4096 - complaint.length);
    });
    child.on("error", (error) => resolve({ fault: nftFault(use, "", error), output }));
    child.on("close", (code) => resolve(code === 0 ? { output } : { fault: nftFault(use, complaint), output }));
    // It may end before it has read everything; its exit code tells.
    child.stdin.on("error", () => {});
    child.stdin.end(`${commands}\n`);
  });
}

/** What it complained of, or why it did not run: HalError "<code>.missing", ".permission", ".unsupported" or ".refused". */
export function nftFault({ code, task, alternative }: NftUse, complaint: string, cause?: Error): HalError {
  const [line = ""] = complaint.split("\n");
  if (cause !== undefined)
    return new HalError(`${code}.missing`, "the program nft does not run", {
      cause,
      needs: "the package nftables",
      alternative,
    });
  if (/not permitted|Permission denied/i.test(complaint))
    return new HalError(`${code}.permission`, `nft may not ${task}: ${line}`, { needs: "CAP_NET_ADMIN" });
  if (/not supported|No such file|module/i.test(complaint))
    return new HalError(`${code}.unsupported`, `this kernel cannot ${task}: ${line}`, {
      needs: "nftables with the family bridge (kmod-nft-bridge on OpenWrt)",
    });
  return new HalError(`${code}.refused`, `nft refused a change: ${line}`);
}

/** Commands that add elements to a set of a table, or delete them. */
export function nftElements(
  what: "add" | "delete",
  table: string,
  set: string,
  all: readonly string[],
): readonly string[] {
  const lines: string[] = [];
  for (let at = 0; at < all.length; at += BATCH)
    lines.push(`${what} element ${table} ${set} { ${all.slice(at, at + BATCH).join(", ")} }`);
  return lines;
}

/** Commands that remove a table, also where there is none. */
export const withoutTable = (table: string): string => `add table ${table}\ndelete table ${table}`;

/** The kernel lets an interface be called by any characters but a slash, a colon and blanks; a star would be a pattern. */
export const isNameable = (port: string): boolean => !/["*\\]/.test(port);

/** As an element. */
export const quoted = (port: string): string => `"${port}"`;

/** That it is not. */
export const unnameable = ({ code }: NftUse, port: string): HalError =>
  new HalError(`${code}.port-name`, `nft cannot name the port ${port}`);
