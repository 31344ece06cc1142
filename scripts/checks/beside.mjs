// Steps one after another beside the lab, which waits more than it computes: they have the time that it leaves, and their share of the
// machine when it is done.
import { readdirSync, readFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { stepBeside } from "./steps.mjs";

/** The process that has started this one; undefined when it has ended. @param {string} pid */
function parentOf(pid) {
  try {
    // proc(5): the name in brackets may hold anything, the state and the parent come after its end.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2]);
  } catch {
    return undefined;
  }
}

/** The process and what it has started, and what that has. @param {number} root */
function familyOf(root) {
  const parents = new Map(
    readdirSync("/proc").flatMap((pid) => (/^\d+$/.test(pid) ? [[Number(pid), parentOf(pid)]] : [])),
  );
  /** @param {number | undefined} pid @returns {boolean} */
  const belongs = (pid) => pid !== undefined && (pid === root || belongs(parents.get(pid)));
  return [...parents.keys()].filter(belongs);
}

/** Every thread of it: in Linux each has a priority of its own. @param {number} pid */
function raise(pid) {
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      setPriority(Number(thread), constants.priority.PRIORITY_NORMAL);
  } catch {
    // It has ended meanwhile, or this one may not: then what it had it keeps.
  }
}

export class Beside {
  #isLow;
  /** @type {number | undefined} */
  #running;

  /** @param {{ isLow: boolean }} how `isLow`: at the lowest priority until `hurry`; who is not root could not raise it again */
  constructor({ isLow }) {
    this.#isLow = isLow;
  }

  /**
   * One step; what it says comes in one piece at its end.
   * @param {string} name
   * @param {string} program
   * @param {string[]} args
   * @returns {Promise<boolean>} false when it failed
   */
  async step(name, program, args) {
    const [first = program, ...rest] = this.#isLow ? ["nice", "-n", "19", program, ...args] : [program, ...args];
    const held = await stepBeside(name, first, rest, (pid) => (this.#running = pid));
    this.#running = undefined;
    return held;
  }

  /** The lab is done. */
  hurry() {
    this.#isLow = false;
    if (this.#running !== undefined) familyOf(this.#running).forEach(raise);
  }
}
