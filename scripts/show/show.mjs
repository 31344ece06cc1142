// The story of the demo: three set-tops watch, a stranger is denied, one of the three stops, keys change all the time.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { given } from "../lab/given.mjs";
import { System } from "../lab/system.mjs";
import { channelRow, Screen } from "./table.mjs";
import { Viewer } from "./viewer.mjs";

/** @typedef {import("../../targets/headend/status-text.ts").ChannelLine} ChannelLine */

const SAMPLE = resolve(import.meta.dirname, "../sample/test-card.mpegts");
/** Seconds between two keys: the minimum that still leaves the lead for every set-top to ask. */
const INTERVAL = 3;
/** Seconds for which set-top 21 watches, and then does not, in turn, when no end is set. */
const TURN = 12;
const DRAW_EVERY = 500;

export class Show {
  /** @type {System | undefined} */
  #opened;
  #screen = new Screen(process.stdout);
  #file = readFileSync(SAMPLE);
  #begin = 0;
  #firstEpoch = 0;
  viewers = ["settop11", "settop21", "settop31"].map((id) => new Viewer(id, this.#file));
  stranger = new Viewer("stranger", this.#file);

  /** @param {{ seconds: number | undefined, loopback: boolean }} options */
  constructor(options) {
    this.options = options;
  }

  get #system() {
    return given(this.#opened, "the system");
  }

  get seconds() {
    return (performance.now() - this.#begin) / 1000;
  }

  /** Starts everything; the time counts from the first viewer on. */
  async open() {
    const { loopback } = this.options;
    this.#screen.note(loopback ? "starting, on loopback and without routers" : "starting, in network namespaces");
    this.#opened = await System.start({ loopback, loop: SAMPLE, interval: INTERVAL });
    this.#firstEpoch = await this.#system.epoch();
    this.#begin = performance.now();
    await Promise.all(this.viewers.map((viewer) => viewer.start(this.#system)));
    this.#screen.note("set-tops 11, 21 and 31 have started to receive (71 to 76)");
    await this.stranger.start(this.#system, { at: "settop13", entitled: false });
    this.#screen.note("a stranger without entitlement has joined");
  }

  /** Plays until the time is over or `interrupted` resolves; true when it was interrupted. @param {Promise<void>} interrupted */
  async play(interrupted) {
    const { seconds } = this.options;
    let goOn = true;
    const interruption = interrupted.then(() => {
      goOn = false;
    });
    let turnAt = seconds === undefined ? TURN : seconds * 0.6;
    while (goOn && (seconds === undefined || this.seconds < seconds)) {
      await this.#draw();
      if (this.seconds > turnAt) {
        turnAt = seconds === undefined ? this.seconds + TURN : Number.POSITIVE_INFINITY;
        await this.#turn();
      }
      await Promise.race([interruption, new Promise((resolve) => setTimeout(resolve, DRAW_EVERY))]);
    }
    return !goOn;
  }

  /** Set-top 21 stops, or starts again. */
  async #turn() {
    const [, viewer] = this.viewers;
    if (viewer?.state === "stopped") {
      await viewer.startAgain();
      this.#screen.note("set-top 21 has started again (71 to 76)");
    } else {
      await viewer?.stop();
      this.#screen.note("set-top 21 has stopped (81 to 86)");
    }
  }

  async #draw() {
    await Promise.all([...this.viewers, this.stranger].map((viewer) => viewer.look()));
    const { channels } = (await this.#system.headend.status()) ?? { channels: [] };
    this.#screen.draw({
      seconds: this.seconds,
      channels: channels.map((/** @type {ChannelLine} */ one) => channelRow(one, this.#system.group)),
      settops: [...this.viewers, this.stranger].map((viewer) => viewer.row()),
      receptions: await this.#receptions(),
      denied: await this.#denied(),
    });
  }

  async #receptions() {
    const [live, closed] = await Promise.all([this.#system.receptions(), this.#system.usage()]);
    return { live: live.length, closed: closed.length };
  }

  async #denied() {
    return (await this.#system.denials()).length;
  }

  /** Ends the viewing and says what was found. @returns {Promise<import("./report.mjs").Findings>} */
  async conclude() {
    const seconds = Math.round(this.seconds * 10) / 10;
    const receptions = await this.#receptions();
    await Promise.all(this.viewers.map((viewer) => viewer.stop()));
    await this.stranger.stop();
    return {
      seconds,
      messages: await this.#messages(),
      epochs: (await this.#system.epoch()) - this.#firstEpoch + 1,
      settops: this.viewers.map((viewer) => viewer.report()),
      receptions,
      denied: await this.#denied(),
      stranger: this.stranger.report(),
      liveAtTheEnd: (await this.#receptions()).live,
    };
  }

  /** Without routers this machine's kernel is what delivers and stops to deliver. */
  async #messages() {
    const messages = await this.#system.messages();
    if (!this.options.loopback) return messages;
    const all = [...this.viewers, this.stranger].map((viewer) => viewer.counts);
    const sum = (/** @type {"joins" | "deliveries" | "leaves"} */ key) =>
      all.reduce((total, one) => total + one[key], 0);
    return { ...messages, 71: sum("joins"), 72: sum("deliveries"), 81: sum("leaves"), 82: sum("leaves") };
  }

  logs() {
    return this.#opened?.run.logs(20) ?? "";
  }

  async close() {
    await this.#opened?.close();
  }
}
