// The tester, load.c: compiled once for each run, started for each measurement, its lines as values.
import { join } from "node:path";
import { command } from "../../lab/command.mjs";
import { Here } from "../../lab/network.mjs";

const SOURCE = `${import.meta.dirname}/load.c`;

/** Compiles it into a folder; the program's path. Throws with the compiler's words. @param {string} folder */
export function compileTester(folder) {
  const program = join(folder, "load");
  command("cc", ["-O2", "-Wall", "-pthread", "-o", program, SOURCE]);
  return program;
}

/**
 * @typedef {Record<string, number>} Settings the keys of load.c
 * @typedef {Record<string, any>} Answer
 * @typedef {import("../../lab/network.mjs").Namespace} Namespace
 * @typedef {{ run: import("../../lab/run.mjs").Run, name: string, source: Namespace, lan: Namespace }} Place where the stream and the hosts are
 */

export class LoadGenerator {
  #started = 0;

  /**
   * @param {Place} site
   * @param {string} program
   */
  constructor(site, program) {
    this.site = site;
    this.program = program;
  }

  /** Starts a command of load.c. @param {string} name @param {Settings} settings */
  start(name, settings) {
    const { run, source, lan } = this.site;
    this.#started += 1;
    const values = Object.entries(settings).map(([key, value]) => `${key}=${Math.round(value)}`);
    const args = [name, `source=${source.name}`, `lan=${lan.name}`, ...values];
    return run.start(`load-${this.site.name}-${this.#started}-${name}`, {
      place: new Here(),
      program: this.program,
      args,
    });
  }

  /**
   * Runs a command to its end; what it said. Throws when it failed.
   * @param {string} name
   * @param {Settings} settings
   * @returns {Promise<Answer[]>}
   */
  async measure(name, settings) {
    const load = this.start(name, settings);
    const how = await load.exited;
    if (how !== 0) throw new Error(`load ${name} ended (${how}): ${load.tail()}`);
    return answersOf(load);
  }
}

/** @param {import("../../lab/process.mjs").Process} load @returns {Answer[]} */
export const answersOf = ({ lines }) => lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
