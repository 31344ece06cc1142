// For tests of the init script: it runs in busybox ash, with recorders in place of procd and UCI.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const INIT = "targets/router/openwrt/files/etc/init.d/sealcast-router";
const SHIM = "targets/router/openwrt/shim.sh";
export const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
/** What OpenWrt's busybox has and the script uses. */
const APPLETS = ["sh", "sed", "cat", "rm"];

/** What a run said, and the file it wrote for the router, if any. */
export interface InitRun {
  readonly lines: string[];
  readonly code: number | null;
  readonly file: string;
}

/** A line of the shim's form as the call that the shim wants: up to three words, and the rest as it is, quoted for the shell. */
function callOf(line: string): string {
  const words = line.match(/^(\S+) +(\S+) *(\S*) *(.*?) *$/)?.slice(1) ?? [];
  return words.length === 0 ? "" : ["line", ...words.map((word) => `'${word.replaceAll("'", "'\\''")}'`)].join(" ");
}

/**
 * Runs shell text after shim and init script, in busybox ash with nothing else on the path. `folder` is made unless it is there;
 * `config` is in the shim's form; `bundle` is a shell script that stands for the router.
 */
export function runInit(folder: string, config: string, text: string, bundle = "#!/bin/sh\nexit 0\n"): InitRun {
  if (!existsSync(folder)) {
    mkdirSync(join(folder, "bin"), { recursive: true });
    for (const applet of APPLETS) symlinkSync(BUSYBOX ?? "", join(folder, "bin", applet));
  }
  writeFileSync(join(folder, "uci"), config.split("\n").map(callOf).join("\n"));
  writeFileSync(join(folder, "program"), bundle);
  chmodSync(join(folder, "program"), 0o755);
  const state = join(folder, "state");
  const script = [
    readFileSync(SHIM, "utf8"),
    readFileSync(INIT, "utf8").replaceAll(". /lib/functions/network.sh", ":"),
  ];
  const body = [...script, `PROG=${join(folder, "program")}`, `STATE=${state}`, text].join("\n");
  const done = spawnSync(BUSYBOX ?? "", ["ash", "-c", body], {
    encoding: "utf8",
    env: { PATH: join(folder, "bin"), UCI: join(folder, "uci") },
    timeout: 10_000,
  });
  assert.equal(done.stderr, "");
  return { lines: done.stdout.trim().split("\n"), code: done.status, file: `${state}.json` };
}

/** An instance as procd would get it, with the router's file. */
export interface Instance {
  /** Without the program. */
  readonly command: readonly string[];
  readonly respawn: readonly string[];
  readonly firewall: readonly string[];
  readonly file: Readonly<Record<"upstreams" | "downstreams", readonly Readonly<Record<string, unknown>>[]>>;
}

/** What a run told procd, the path of the file as it is on OpenWrt. */
export function instance({ lines, file }: InitRun): Instance {
  const settings = lines.map((line) => line.split("|"));
  const command = settings.flatMap(([how, what, ...words]) =>
    (how === "set" || how === "append") && what === "command" ? words : [],
  );
  const others = settings
    .filter(([how, what]) => how === "set" && what !== "command")
    .map(([, what, ...words]) => [what, words]);
  const firewall = settings.filter(([how]) => how === "firewall").map(([, rule = ""]) => rule.trim());
  return {
    command: command.slice(1).map((word) => (word === file ? "/var/run/sealcast-router.json" : word)),
    ...(Object.fromEntries(others) as Pick<Instance, "respawn">),
    firewall,
    file: JSON.parse(readFileSync(file, "utf8")) as Instance["file"],
  };
}

/** The arguments of the instance that the router takes from `--set`. */
export const settingsOf = (run: InitRun): string[] =>
  instance(run).command.filter((_, i, words) => words[i - 1] === "--set");
