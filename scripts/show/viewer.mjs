// A set-top of the demo: what it may see comes through its standard output and is held against the file, octet for octet.
import { given } from "../lab/given.mjs";
import { channelOf } from "../lab/settop.mjs";
import { LoopedComparison } from "./looped.mjs";

/**
 * @typedef {{ id: string, received: number, lost: number, duplicated: number, undecryptable: number, identical: boolean, zapMs: number | undefined }} ViewerReport
 */

export class Viewer {
  /** @type {import("../lab/settop.mjs").Settop | undefined} */
  settop;
  /** The channel's part of its last status. @type {any} */
  channel;
  state = "not started";
  /** How often it joined and how often that brought packets, how often it left: what a router would count as 71, 72, 81, 82. */
  counts = { joins: 0, deliveries: 0, leaves: 0 };
  /** Of earlier viewings. */
  #before = { received: 0, lost: 0, duplicated: 0, undecryptable: 0 };

  /**
   * @param {string} id
   * @param {Buffer} file what the headend loops
   */
  constructor(id, file) {
    this.id = id;
    /** @type {number | undefined} */
    this.zapMs = undefined;
    this.output = new LoopedComparison(file);
  }

  /**
   * @param {import("../lab/system.mjs").System} system
   * @param {{ at?: string, entitled?: boolean }} [where]
   */
  async start(system, where = {}) {
    this.settop = await system.settop(this.id, { ...where, stdout: (chunk) => this.output.add(chunk) });
    await this.settop.start();
    this.state = "started";
  }

  /** Switched on again after a stop. */
  async startAgain() {
    const { received, lost, duplicated, undecryptable } = this.report();
    this.#before = { received, lost, duplicated, undecryptable };
    this.channel = undefined;
    this.output.beginAnew();
    await given(this.settop, this.id).start();
    this.state = "started";
  }

  /** Asks it what it sees. */
  async look() {
    if (this.settop === undefined || this.state === "stopped") return;
    const channel = channelOf(await this.settop.status(), "one");
    if (channel === undefined) return;
    this.channel = channel;
    this.state = channel.dark === undefined ? "watching" : `no picture: ${channel.dark.reason}`;
  }

  /** As a person who switches it off; what was under way is still written. */
  async stop() {
    if (this.settop === undefined || this.state === "stopped") return;
    await this.look();
    this.state = "stopped";
    this.counts.joins += this.channel?.viewing?.membership?.kind === undefined ? 0 : 1;
    this.counts.deliveries += this.channel?.datagrams > 0 ? 1 : 0;
    this.counts.leaves += 1;
    const { how } = await this.settop.stop();
    if (how !== 0) throw new Error(`${this.id} ended with ${how}\n${this.settop.process.tail()}`);
  }

  get verdict() {
    return this.channel?.viewing?.verdict;
  }

  /** @returns {ViewerReport} */
  report() {
    const { received = 0, lost = 0, duplicated = 0, undecryptable = 0 } = this.channel ?? {};
    this.zapMs = this.channel?.zapMs ?? this.zapMs;
    return {
      id: this.id,
      received: this.#before.received + received,
      lost: this.#before.lost + lost,
      duplicated: this.#before.duplicated + duplicated,
      undecryptable: this.#before.undecryptable + undecryptable,
      identical: this.output.identical,
      zapMs: this.zapMs,
    };
  }

  row() {
    const { received, lost, zapMs } = this.report();
    const { mismatches } = this.output;
    return {
      id: this.id,
      state: this.state,
      received,
      lost,
      zapMs,
      epoch: this.channel?.lastEpoch,
      identical: mismatches === 0,
    };
  }
}
