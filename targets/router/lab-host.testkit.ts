// For lab tests: what a host of lab-host.testkit.cjs has got of a stream, and whether any of it is missing.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import type { Actor } from "./namespaces.testkit.ts";

/** The numbers of the datagrams of a group that `host` has got since its line `from`. */
export const numbers = (host: Actor, group: string, from: number): readonly number[] =>
  host.lines
    .slice(from)
    .filter((line) => line.startsWith(`${group} `))
    .map((line) => Number(line.split(" ")[1]));

/** They follow each other. */
export const withoutGap = (seen: readonly number[]): void =>
  assert.deepEqual(
    seen,
    seen.map((_, i) => (seen[0] ?? 0) + i),
    "no packet is missing",
  );

/** Why a lab that needs nft cannot be here; false when it can. */
export function whyNotWithNft(): string | false {
  if (process.getuid?.() !== 0) return "needs root for network namespaces";
  return !["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"].some((path) => existsSync(path)) && "needs nft";
}
