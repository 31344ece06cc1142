// Mosquitto as the external broker, on a port and with a configuration of our own; Debian's service is not touched.
import { writeFileSync } from "node:fs";
import { given } from "./given.mjs";

export class Mosquitto {
  /** @type {import("./process.mjs").Process | undefined} */
  #process;

  /**
   * @param {import("./run.mjs").Run} run
   * @param {import("./process.mjs").Place} place
   * @param {{ address: string, port: number, extra?: string[] }} where
   */
  constructor(run, place, { address, port, extra = ["allow_anonymous true"] }) {
    this.run = run;
    this.place = place;
    this.file = run.path("etc", "mosquitto.conf");
    const lines = [`listener ${port} ${address}`, "set_tcp_nodelay true", "user root", "persistence false"];
    writeFileSync(this.file, `${[...lines, "log_dest stderr", ...extra].join("\n")}\n`);
  }

  get process() {
    return given(this.#process, "the broker");
  }

  /** Resolves when it listens. */
  async start() {
    this.#process = this.run.start("mosquitto", {
      place: this.place,
      program: "mosquitto",
      args: ["-c", this.file, "-v"],
    });
    await this.process.line(/mosquitto version .* running/);
    return this;
  }
}
