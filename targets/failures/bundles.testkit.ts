// For the tests of failures: a bundle as a child process, its log lines and its status; folders and identities for it.
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import type { Role } from "../../core/control/participant.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { createIdentity } from "../../hal/identity/file.ts";
import { generateIdentity, type Identity } from "../../hal/identity/identity.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { ask } from "../shared/admin.ts";
import { endedBy, type SignalledEnd } from "../shared/processor-wait.testkit.ts";

export const TARGETS = ["headend", "router", "settop", "control", "keyserver", "reception", "replay"] as const;
export type TargetName = (typeof TARGETS)[number];
export const NOBODY = { uid: 65_534, gid: 65_534 };
export const isRoot = process.getuid?.() === 0;

/** In ms: for what never comes. A busy machine takes its time. */
const PATIENCE = 60_000;
const primitives = new NodePrimitives();
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill("SIGKILL");
});

/** A folder of its own, removed at the end. */
export function scratch(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `sealcast-${name}-`));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function makeIdentity(role: Role, id: string, file: string): Identity {
  const identity = generateIdentity(role, id, primitives, systemEntropy);
  createIdentity(file, identity);
  return identity;
}

/** Tries until the condition gives something; fails with `what` after a minute. */
export async function until<T>(what: string, find: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunOptions extends Pick<SpawnOptions, "env" | "uid" | "gid"> {
  /** Where the bundles are. */
  readonly dist?: string;
  /** The command that runs it, and must become it (`exec`). */
  readonly under?: readonly string[];
}

/** Any JSON: what a test looks for in it, the test knows. */
// biome-ignore lint/suspicious/noExplicitAny: a status has a form of its own for each target
export type Json = any;

export class Bundle {
  readonly target: TargetName;
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  #end: Ended | undefined;

  /** `node dist/TARGET.cjs ARGUMENTS`, standard output and error in `lines`. */
  constructor(target: TargetName, args: readonly string[], { dist = "dist", under = [], ...options }: RunOptions = {}) {
    this.target = target;
    const file = join(process.cwd(), dist.startsWith("/") ? "" : dist, `${target}.cjs`);
    const program = dist.startsWith("/") ? join(dist, `${target}.cjs`) : file;
    const [command, ...rest] = [...under, process.execPath, program, ...args] as [string, ...string[]];
    const child = spawn(command, rest, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    children.add(child);
    for (const stream of [child.stdout, child.stderr]) this.#collect(stream as NodeJS.ReadableStream);
    child.once("close", (code, signal) => {
      children.delete(child);
      this.#end = { code, signal };
    });
  }

  get text(): string {
    return this.lines.join("\n");
  }

  /** A path as the process sees it, in its own mount namespace. */
  inside(path: string): string {
    return `/proc/${this.#child.pid}/root${path}`;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#end === undefined;
  }

  /** Resident octets. */
  get memory(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  }

  #collect(stream: NodeJS.ReadableStream): void {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines);
    });
    stream.on("end", () => rest !== "" && this.lines.push(rest));
  }

  /** How it ends by itself; fails when it does not. */
  end(): Promise<Ended> {
    return until(`${this.target} to end:\n${this.text}`, () => this.#end);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The first line that matches; fails when the process ends without it. */
  line(pattern: RegExp, from = 0): Promise<string> {
    return until(`${this.target} to write ${pattern}`, () => {
      const found = this.lines.slice(from).find((line) => pattern.test(line));
      if (found === undefined && !this.isRunning)
        throw new Error(`${this.target} ended without ${pattern}:\n${this.text}`);
      return found;
    });
  }

  /** Sends the signal, and says how and after how many unhindered milliseconds it ended. */
  async stop(name: NodeJS.Signals = "SIGTERM"): Promise<SignalledEnd> {
    const end = endedBy(name, this.#child);
    await this.end();
    return end;
  }
}

/** A bundle with a configuration on disk and a socket to ask. */
export class Configured extends Bundle {
  readonly file: string;
  readonly #socket: string;

  constructor(target: TargetName, folder: string, config: object, options: RunOptions = {}) {
    const socket = join(folder, `${target}.sock`);
    const file = join(folder, `${target}-config.json`);
    writeFileSync(file, JSON.stringify({ socket, log: { format: "json" }, ...config }));
    super(target, ["--config", file], options);
    this.file = file;
    this.#socket = socket;
  }

  running(): Promise<string> {
    return this.line(/"msg":"running"/);
  }

  async status(): Promise<Json> {
    return (await ask(this.#socket, "/status"))?.body;
  }

  /** The first status in which `find` finds something. */
  see<T>(what: string, find: (status: Json) => T | undefined | false): Promise<T> {
    return until(`${this.target} to show ${what}`, async () => {
      if (!this.isRunning) throw new Error(`${this.target} ended:\n${this.text}`);
      const status = await this.status().catch(() => undefined);
      const found = status === undefined ? undefined : find(status);
      return found === false ? undefined : found;
    });
  }

  async command(name: string, input: object = {}): Promise<Json> {
    const answer = await ask(this.#socket, `/command/${name}`, input);
    if (answer?.code !== 200) throw new Error(`${name}: ${JSON.stringify(answer)}`);
    return answer.body;
  }
}

export const hex = toHex;
/** Nobody has the private part. */
export const SOME_KEY = "ab".repeat(32);

export const controlConfig = (folder: string, port = 0) => ({
  broker: { listeners: [{ port }] },
  keyServer: { identity: join(folder, "key-server.json") },
  reception: { identity: join(folder, "reception-server.json") },
  store: { path: join(folder, "control.db") },
});

/** A set-top that nobody serves; `more` replaces entries. */
export function settopConfig(folder: string, more: object = {}): object {
  return {
    id: "box",
    broker: { url: "mqtt://127.0.0.1:1" },
    identity: join(folder, "box.json"),
    journal: join(folder, "receptions.json"),
    keyServer: { id: "key-server", publicKey: SOME_KEY, noticeKey: SOME_KEY },
    interfaceAddress: "127.0.0.1",
    channels: [{ id: "one", group: "239.255.78.1", port: 5004 }],
    tune: ["one"],
    output: { form: "null" },
    ...more,
  };
}

export function headendConfig(folder: string, more: object = {}): object {
  return {
    id: "headend",
    broker: { url: "mqtt://127.0.0.1:1" },
    identity: join(folder, "headend.json"),
    keyServer: { id: "key-server", publicKey: SOME_KEY },
    interfaceAddress: "127.0.0.1",
    channels: [
      { id: "one", group: "239.255.78.1", port: 5004, input: { kind: "udp", address: "127.0.0.1", port: 5006 } },
    ],
    ...more,
  };
}
