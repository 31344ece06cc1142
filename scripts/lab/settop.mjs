// A set-top of the lab: tuned to a channel, writing what it may see into a file.
import { existsSync, readFileSync } from "node:fs";
import { TargetProcess } from "./bundle.mjs";
import { compare } from "./numbered.mjs";
import { PATIENCE } from "./waiting.mjs";

export class Settop extends TargetProcess {
  /**
   * @param {import("./run.mjs").Run} run
   * @param {{ id: string, place: import("./process.mjs").Place, config: object, output?: string, stdout?: ((chunk: Buffer) => void) | undefined }} what
   */
  constructor(run, what) {
    super(run, { ...what, target: "settop" });
    this.output = what.output ?? "";
  }

  /** Its view of a channel; undefined when it is not tuned to it. */
  async channel(id = "one") {
    return channelOf(await this.status(), id);
  }

  /** Resolves with the channel's status when clear packets come. */
  async playing(id = "one", limit = PATIENCE) {
    const status = await this.until(`a picture on ${id}`, (one) => channelOf(one, id)?.received > 0, limit);
    return channelOf(status, id);
  }

  /** Resolves with the channel's status when the picture is dark for this reason. */
  async dark(/** @type {string} */ reason, id = "one", limit = PATIENCE) {
    const status = await this.until(
      `no picture: ${reason}`,
      (one) => channelOf(one, id)?.dark?.reason === reason,
      limit,
    );
    return channelOf(status, id);
  }

  /** What it has written, so far. */
  written() {
    return existsSync(this.output) ? readFileSync(this.output) : Buffer.alloc(0);
  }

  /** @param {string} input path of what went in */
  compareWith(input) {
    return compare(readFileSync(input), this.written());
  }
}

/**
 * @param {any} status
 * @param {string} id
 */
export const channelOf = (status, id) => status?.channels?.find((/** @type {any} */ one) => one.channel === id);
