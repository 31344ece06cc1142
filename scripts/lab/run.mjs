// One run of the lab or the demo: its directory, its processes, its namespaces, and the end of all of them.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Capture } from "./capture.mjs";
import { Network } from "./network.mjs";
import { Process } from "./process.mjs";

export class Run {
  network = new Network();
  /** Configurations, logs, state and recordings of this run. */
  directory = mkdtempSync(join(tmpdir(), `scl${process.pid}-`));
  /** @type {Process[]} */
  processes = [];
  #closed = false;
  #onExit = () => this.#removeNow();

  constructor() {
    process.on("exit", this.#onExit);
    for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
      // An owner that wants an orderly end installs its own handler before it makes a run.
      if (process.listenerCount(signal) === 0) process.once(signal, () => process.exit(130));
    }
  }

  /** @param {...string} parts */
  path(...parts) {
    const path = join(this.directory, ...parts);
    mkdirSync(join(path, ".."), { recursive: true });
    return path;
  }

  /**
   * @param {string} name
   * @param {Omit<ConstructorParameters<typeof Process>[1], "log">} what
   */
  start(name, what) {
    const process = new Process(name, { ...what, log: this.path("log", `${name}.log`) });
    this.processes.push(process);
    return process;
  }

  /**
   * Records what passes an interface; resolves when tcpdump listens.
   * @param {import("./process.mjs").Place} place
   * @param {string} interfaceName
   * @param {string} [filter]
   */
  async capture(place, interfaceName, filter = "") {
    const capture = new Capture();
    const process = this.start(
      `capture-${place.name.replace(/^scl\d+-/, "")}-${interfaceName}-${this.processes.length}`,
      {
        place,
        program: "tcpdump",
        args: [
          "-i",
          interfaceName,
          "-n",
          "-U",
          "--immediate-mode",
          "-B",
          "16384",
          "-s",
          "0",
          "-Z",
          "root",
          "-w",
          "-",
          filter,
        ],
        stdout: (chunk) => capture.add(chunk),
      },
    );
    capture.process = process;
    await process.line(/listening on/);
    return capture;
  }

  /** The last lines of every process, for a failure's message. */
  logs(lines = 10) {
    return this.processes
      .filter((one) => !one.name.startsWith("capture-"))
      .map((one) => `--- ${one.name} (${one.ended ?? "running"})\n${one.tail(lines)}`)
      .join("\n");
  }

  /** Ends everything in the order opposite to its start, and removes every trace, unless SEALCAST_KEEP is set. */
  async close() {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.processes].reverse().map((one) => one.stop()));
    this.#removeNow();
    process.off("exit", this.#onExit);
  }

  #removeNow() {
    for (const one of this.processes) one.signal("SIGKILL");
    this.network.remove();
    if (!process.env.SEALCAST_KEEP) rmSync(this.directory, { recursive: true, force: true });
  }
}
