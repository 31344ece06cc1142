// A process that is measured from outside: its processor time and its memory, as Linux counts them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** A tick of /proc/PID/stat in seconds (USER_HZ). */
const TICK = 0.01;

/** Seconds of processor time, its own and the kernel's for it. @param {number} pid */
export function processorTime(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}

/** Resident MB. @param {number} pid */
export function residentMemory(pid) {
  const [, kilobytes = "0"] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return Number(kilobytes) / 1024;
}

/** A program whose last words are JSON. */
export class Program {
  #output = "";

  /** @param {string} program @param {string[]} args */
  constructor(program, args) {
    this.child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.child.stdout.on("data", (text) => (this.#output += String(text)));
    this.exited = once(this.child, "close");
  }

  get pid() {
    return this.child.pid ?? 0;
  }

  /** What it said, once it has ended. @returns {Promise<any>} */
  async said() {
    const [code] = await this.exited;
    if (code !== 0) throw new Error(`${this.child.spawnfile} ${this.child.spawnargs[1]} ended with ${code}`);
    return JSON.parse(this.#output);
  }

  /** Asks it to end. @returns {Promise<any>} */
  stop() {
    this.child.kill("SIGTERM");
    return this.said();
  }
}
