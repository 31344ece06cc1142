// For lab tests: network namespaces with cables between them, and processes in them whose lines are kept. Needs root.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import type { Readable } from "node:stream";

export const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
export const inside = (namespace: string, ...command: string[]): string =>
  execFileSync("ip", ["netns", "exec", namespace, ...command], { encoding: "utf8" });

/** A process in a namespace whose lines are kept. */
export class Actor {
  readonly lines: string[] = [];
  readonly process: ChildProcess;

  constructor(namespace: string, ...command: string[]) {
    this.process = spawn("ip", ["netns", "exec", namespace, ...command], { stdio: ["pipe", "pipe", "pipe"] });
    this.#read(this.process.stdout);
    this.#read(this.process.stderr);
  }

  #read(stream: Readable | null): void {
    let rest = "";
    stream?.on("data", (text) => {
      const lines = (rest + String(text)).split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines);
    });
  }

  say(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  count(pattern: RegExp, from = 0): number {
    return this.lines.slice(from).filter((line) => pattern.test(line)).length;
  }

  saw(pattern: RegExp, limit = 5000, from = 0): Promise<void> {
    return this.sawTimes(1, pattern, limit, from);
  }

  async sawTimes(times: number, pattern: RegExp, limit: number, from = 0): Promise<void> {
    const end = performance.now() + limit;
    while (this.count(pattern, from) < times) {
      const found = `${this.count(pattern, from)} of ${times} times ${pattern}`;
      assert.ok(performance.now() < end, `${found} within ${limit} ms in:\n${this.lines.slice(-20).join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

const actors: Actor[] = [];
export function act(namespace: string, ...command: string[]): Actor {
  const actor = new Actor(namespace, ...command);
  actors.push(actor);
  return actor;
}

export function makeNamespaces(names: readonly string[]): void {
  for (const namespace of names) {
    ip("netns", "add", namespace);
    ip("-n", namespace, "link", "set", "lo", "up");
    inside(namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv4.conf.all.rp_filter=0");
  }
}

/** Ends the actors, then removes the namespaces. */
export async function removeNamespaces(names: readonly string[]): Promise<void> {
  for (const { process: child } of actors) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    // Not SIGTERM: a router would leave its keeper for a while.
    child.kill("SIGINT");
    await ended;
  }
  for (const name of names)
    try {
      ip("netns", "del", name);
    } catch {}
}

export function cable(a: string, aName: string, b: string, bName: string): void {
  ip("link", "add", aName, "netns", a, "type", "veth", "peer", "name", bName, "netns", b);
  ip("-n", a, "link", "set", aName, "up");
  ip("-n", b, "link", "set", bName, "up");
}
