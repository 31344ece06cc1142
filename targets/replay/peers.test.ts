// How many IGMP packets others count in the same capture: tcpdump, and tshark where it is installed (setup does not: it is large).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { replayIgmp } from "../../core/capture/replay.testkit.ts";

const FOLDERS = ["core/igmp/vectors", "core/capture/vectors", "../shared/pcaps/tcpdump", "../shared/pcaps/zeek"];
const CAPTURES = FOLDERS.filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`))
  .filter((path) => /\.pcap(ng)?$/.test(path));

const PEERS: Readonly<Record<string, (path: string) => readonly string[]>> = {
  tcpdump: (path) => ["-n", "-r", path, "igmp"],
  tshark: (path) => ["-n", "-r", path, "-Y", "igmp"],
};

const isInstalled = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;

/** A line a packet. */
function counted(program: string, args: readonly string[]): number {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout.split("\n").filter((line) => /^\s*\d/.test(line)).length;
}

for (const [program, argumentsFor] of Object.entries(PEERS)) {
  if (program === "tshark" && !isInstalled(program)) continue;
  test(`${program} counts as many in each of ${CAPTURES.length} captures`, {
    skip: !isInstalled(program) && `${program} is not here`,
  }, () => {
    assert.ok(CAPTURES.length >= 4);
    for (const path of CAPTURES) {
      const ours = replayIgmp(readFileSync(path)).igmp;
      assert.equal(ours, counted(program, argumentsFor(path)), path);
    }
  });
}
