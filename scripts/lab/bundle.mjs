// The bundles under test, run as their users run them.
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { commandMeanwhile } from "./command.mjs";
import { given } from "./given.mjs";
import { askSocket } from "./status.mjs";
import { ask, PATIENCE } from "./waiting.mjs";

const DIST = resolve(import.meta.dirname, "../../dist");

/** @param {string} target for example "settop" */
export const bundle = (target) => join(DIST, `${target}.cjs`);

/**
 * Makes a participant's keys with its own bundle; the public part.
 * @param {string} target
 * @param {string} id
 * @param {string} file
 * @returns {Promise<{ id: string, x25519: string, ed25519?: string }>}
 */
export const keygen = async (target, id, file) =>
  JSON.parse(await commandMeanwhile(process.execPath, [bundle(target), "keygen", id, file, "--json"]));

/** A target as a running process of the lab, with its configuration and its local socket. */
export class TargetProcess {
  /** @type {import("./process.mjs").Process | undefined} */
  #process;

  /**
   * @param {import("./run.mjs").Run} run
   * @param {{ target: string, id: string, place: import("./process.mjs").Place, config: object, stdout?: ((chunk: Buffer) => void) | undefined }} what
   */
  constructor(run, { target, id, place, config, stdout }) {
    this.run = run;
    this.target = target;
    this.id = id;
    this.place = place;
    this.stdout = stdout;
    this.socket = run.path("run", `${id}.sock`);
    this.file = run.path("etc", `${id}.json`);
    this.configure(config);
  }

  /** @param {object} config the target's own entries */
  configure(config) {
    const log = { level: process.env.SEALCAST_LOG ?? "debug", format: "json" };
    writeFileSync(this.file, JSON.stringify({ ...config, socket: this.socket, log }, undefined, 2));
  }

  /** The process of its last start. */
  get process() {
    return given(this.#process, this.id);
  }

  /** Resolves when it says that it is running. */
  async start() {
    this.#process = this.run.start(this.id, {
      place: this.place,
      program: process.execPath,
      args: [bundle(this.target), "--config", this.file],
      stdout: this.stdout,
    });
    await this.process.line(/"msg":"running"/);
    return this;
  }

  /** What it says of itself; undefined while it does not answer. */
  status() {
    return askSocket(this.socket);
  }

  /**
   * Its status once `holds` is true of it.
   * @param {string} what
   * @param {(status: any) => unknown} holds
   * @param {number} [limit]
   */
  async until(what, holds, limit = PATIENCE) {
    /** @type {any} */
    let last;
    try {
      return await ask(
        `${this.id}: ${what}`,
        async () => {
          last = await this.status();
          return last !== undefined && holds(last) ? last : undefined;
        },
        { limit },
      );
    } catch (error) {
      throw new Error(
        `${error instanceof Error ? error.message : error}; its status: ${JSON.stringify(last)}\n${this.process.tail()}`,
      );
    }
  }

  /** @param {string} name @param {object} [input] */
  command(name, input = {}) {
    return askSocket(this.socket, { path: `/command/${name}`, input });
  }

  stop() {
    return this.process.stop();
  }
}
