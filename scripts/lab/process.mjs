// A process of the lab: its log on disk, its lines as events, its end in our hands.
import { spawn } from "node:child_process";
import { createWriteStream, readFileSync } from "node:fs";
import { succeeds } from "./command.mjs";
import { PATIENCE, Waiting } from "./waiting.mjs";

/** Lines kept for conditions on the past; the file has them all. */
const KEPT_LINES = 20_000;

/** With it a process dies when we are killed and can do nothing about it (util-linux 2.33). */
const GUARD = ["--pdeathsig", "KILL"];
const guarded = succeeds("setpriv", [...GUARD, "true"]);

/** @typedef {{ inside(program: string, args: string[]): [string, string[]], name: string }} Place */

export class Process {
  /** @type {string[]} */
  lines = [];
  #waiting = new Waiting();
  #child;
  /** @type {Promise<number | string>} exit code or signal */
  exited;
  /** @type {number | string | undefined} */
  ended;

  /**
   * @param {string} name for messages and the log's file name
   * @param {{ place: Place, program: string, args: string[], log: string, env?: NodeJS.ProcessEnv, stdout?: ((chunk: Buffer) => void) | undefined }} what
   *   `stdout` takes the standard output as octets; without it that is lines, as standard error always is
   */
  constructor(name, { place, program, args, log, env, stdout }) {
    this.name = name;
    this.log = log;
    const file = createWriteStream(log, { flags: "a" });
    const [inner, innerArgs] = place.inside(program, args);
    const [runner, runnerArgs] = guarded ? ["setpriv", [...GUARD, inner, ...innerArgs]] : [inner, innerArgs];
    this.#child = spawn(runner, runnerArgs, {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, ...env },
    });
    this.#child.stdin.on("error", () => {});
    if (stdout) this.#child.stdout.on("data", stdout);
    for (const stream of [this.#child.stderr, ...(stdout ? [] : [this.#child.stdout])]) {
      stream.pipe(file, { end: false });
      this.#readLines(stream);
    }
    this.exited = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(`cannot start: ${error.message}`));
      this.#child.once("close", (code, signal) => resolve(code ?? signal ?? "gone"));
    }).then((how) => {
      this.ended = how;
      this.#waiting.changed();
      file.end();
      return how;
    });
  }

  get pid() {
    return this.#child.pid;
  }

  get stdin() {
    return this.#child.stdin;
  }

  /** @param {import("node:stream").Readable} stream */
  #readLines(stream) {
    let rest = "";
    stream.setEncoding("utf8").on("data", (chunk) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      if (lines.length === 0) return;
      this.lines.push(...lines);
      if (this.lines.length > KEPT_LINES) this.lines.splice(0, this.lines.length - KEPT_LINES);
      this.#waiting.changed();
    });
  }

  /**
   * The first line, also of the past, that matches; rejects when the process ends first.
   * @param {RegExp | ((line: string) => boolean)} pattern
   * @param {number} [limit] milliseconds
   * @param {number} [from] lines before this one do not count
   * @returns {Promise<string>}
   */
  async line(pattern, limit = PATIENCE, from = 0) {
    const matches = typeof pattern === "function" ? pattern : (/** @type {string} */ line) => pattern.test(line);
    let next = from;
    const find = () => {
      while (next < this.lines.length) {
        const line = this.lines[next++] ?? "";
        if (matches(line)) return line;
      }
      return this.ended === undefined ? undefined : null;
    };
    const line = await this.#waiting.until(`${this.name} to write ${pattern}`, find, limit);
    if (line === null)
      throw new Error(`${this.name} ended (${this.ended}) before it wrote ${pattern}:\n${this.tail()}`);
    return line;
  }

  /** The end of its log, for a failure's message. */
  tail(lines = 15) {
    try {
      return readFileSync(this.log, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
    } catch {
      return "(no log)";
    }
  }

  /** @param {NodeJS.Signals} name */
  signal(name) {
    if (this.ended === undefined) this.#child.kill(name);
  }

  /**
   * Ends it and says how: SIGTERM first, SIGKILL when that takes longer than `limit` milliseconds.
   * @param {number} [limit]
   */
  async stop(limit = PATIENCE) {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), limit);
    const how = await this.exited;
    clearTimeout(timer);
    return { how };
  }

  /** As a power loss would. */
  async kill() {
    this.signal("SIGKILL");
    return await this.exited;
  }
}
