// `replay igmp`: what its options ask for, done from the first octet of the capture to the exit code.
import { readFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import { printable } from "../../core/base/printable.ts";
import { Impairment } from "../../core/capture/impairment.ts";
import { Replay, type Replayed, type ReplayOptions } from "../../core/capture/replay.ts";
import { Timeline, type TimelineEntry } from "../../core/capture/timeline.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { FrameSenders } from "../../core/ports/frame-sender.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { EXIT, exitCodeOf, explain } from "../shared/exit.ts";
import { differences } from "./expectation.ts";
import { batchesOf, STANDARD_INPUT } from "./input.ts";
import { Pace } from "./pace.ts";
import { Player } from "./player.ts";
import { Printer } from "./printer.ts";
import { entryText, replayJson, summaryText } from "./report.ts";
import { Transmission, transmissionText } from "./transmission.ts";
import { FAULT_WORDS, unreadWords } from "./words.ts";

/** As the command line gives them. */
export interface IgmpOptions {
  readonly json?: boolean;
  readonly expect?: string;
  readonly speed?: number;
  readonly send?: string;
  readonly all?: boolean;
  readonly loss?: number;
  readonly reorder?: number;
  /** true: until it is interrupted. */
  readonly loop?: number | true;
  readonly seed?: number;
}

/** What the command has of the machine it runs on. */
export interface Surroundings {
  readonly clock: Clock;
  readonly senders: FrameSenders;
  /** Drawn when the command line names no seed. */
  readonly seed: () => number;
  /** Calls `stop` when the command is to end early. */
  readonly onInterrupt: (stop: () => void) => void;
}

const MOST_DIFFERENCES = 100;

/** What can be wrong with a command line beside the single values. */
function optionFault(path: string, options: IgmpOptions): string | undefined {
  if (options.loop !== undefined && path === STANDARD_INPUT) return "standard input cannot be played again: no --loop";
  const ofSending = (["all", "loss", "reorder", "loop", "seed"] as const).find((name) => options[name] !== undefined);
  return options.send === undefined && ofSending !== undefined
    ? `--${ofSending} says how to send: it needs --send INTERFACE`
    : undefined;
}

/** The whole command; resolves to the exit code. */
export async function replayCommand(
  path: string,
  options: IgmpOptions,
  replayOptions: ReplayOptions,
  surroundings: Surroundings,
): Promise<number> {
  const fault = optionFault(path, options);
  if (fault !== undefined) return complain(fault, EXIT.usage);
  const expected = options.expect === undefined ? undefined : readExpectation(options.expect);
  if (typeof expected === "number") return expected;
  const transmission = await openTransmission(options, surroundings);
  try {
    return await new Command(path, options, expected, transmission).run(replayOptions, surroundings);
  } finally {
    transmission?.close();
  }
}

const complain = (text: string, code: number): number => {
  process.stderr.write(`sealcast-replay: ${text}\n`);
  return code;
};

/** The expectation, or the exit code when there is none to read. */
function readExpectation(path: string): object | number {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return complain(`cannot read ${path}: ${messageOf(error)}`, EXIT.noInput);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    return complain(`${path} must hold one JSON object`, EXIT.data);
  } catch (error) {
    return complain(`${path} is no JSON: ${messageOf(error)}`, EXIT.data);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function openTransmission(
  { send, all = false, loss = 0, reorder = 0, seed }: IgmpOptions,
  { senders, seed: draw }: Surroundings,
): Promise<Transmission | undefined> {
  if (send === undefined) return undefined;
  const chosen = seed ?? draw();
  if (loss > 0 || reorder > 0) process.stderr.write(`sealcast-replay: --seed ${chosen}\n`);
  const impairment = new Impairment({ loss, reorder }, new SeededEntropy(chosen));
  return new Transmission(await senders.open(send), impairment, all);
}

class Command {
  readonly #path: string;
  readonly #options: IgmpOptions;
  readonly #expected: object | undefined;
  readonly #transmission: Transmission | undefined;
  readonly #timeline = new Timeline();
  readonly #printer = new Printer();

  constructor(
    path: string,
    options: IgmpOptions,
    expected: object | undefined,
    transmission: Transmission | undefined,
  ) {
    this.#path = path;
    this.#options = options;
    this.#expected = expected;
    this.#transmission = transmission;
  }

  async run(replayOptions: ReplayOptions, { clock, onInterrupt }: Surroundings): Promise<number> {
    const { speed } = this.#options;
    const replay = new Replay(replayOptions, (entry) => this.#tell(entry));
    const player = new Player({
      replay,
      pace: speed === undefined ? undefined : new Pace(clock, speed),
      transmission: this.#transmission,
      told: () => this.#printer.flush(),
    });
    onInterrupt(() => player.stop());
    const { whole, failure } = await this.#play(player);
    const replayed = replay.result();
    if (failure !== undefined && replayed.packets === 0) return complain(explain(failure), exitCodeOf(failure));
    await this.#report(replayed);
    // `| head`: nothing more is wanted, and nothing went wrong.
    if (this.#printer.isGone) return EXIT.ok;
    if (failure !== undefined) return complain(explain(failure), exitCodeOf(failure));
    return whole ? this.#verdict(replayed) : complain(`${this.#path}: ended before its end`, EXIT.data);
  }

  /** Whether the first pass came to its end; what the machine could not do is a value here, for what was read so far is told first. */
  async #play(player: Player): Promise<{ readonly whole: boolean; readonly failure: HalError | undefined }> {
    const { loop } = this.#options;
    let passes = 0;
    try {
      for (; !player.isStopped && (passes === 0 || loop === true || passes < (loop ?? 1)); passes++)
        await player.play(batchesOf(this.#path, player.stopped), passes === 0);
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      return { whole: false, failure: error };
    }
    return { whole: passes > 1 || !player.isStopped, failure: undefined };
  }

  get #isKept(): boolean {
    return this.#options.json === true || this.#expected !== undefined;
  }

  #tell(entry: TimelineEntry): void {
    if (this.#isKept) this.#timeline.tell(entry);
    else this.#printer.line(entryText(entry));
  }

  async #report(replayed: Replayed): Promise<void> {
    if (this.#options.json === true) this.#printer.line(JSON.stringify(this.#json(replayed), undefined, 2));
    else if (this.#expected === undefined) this.#printer.line(summaryText(replayed));
    await this.#printer.flush();
    const { send } = this.#options;
    if (this.#transmission !== undefined && send !== undefined)
      process.stderr.write(`sealcast-replay: ${transmissionText(this.#transmission.counts(), send)}\n`);
  }

  #json(replayed: Replayed): object {
    const json = replayJson(replayed, this.#timeline);
    return this.#transmission === undefined ? json : { ...json, transmission: this.#transmission.counts() };
  }

  /** What was not read is a failure, unless that is what was expected. */
  #verdict(replayed: Replayed): number {
    const { fault, unread } = replayed;
    const expected: object = this.#expected ?? {};
    const differing = differences(expected, this.#json(replayed));
    for (const line of differing.slice(0, MOST_DIFFERENCES)) complain(printable(line), 0);
    if (differing.length > MOST_DIFFERENCES) complain(`and ${differing.length - MOST_DIFFERENCES} more differences`, 0);
    if (differing.length > 0) return EXIT.mismatch;
    if (this.#expected !== undefined) process.stderr.write(`sealcast-replay: ${this.#path} is as expected\n`);
    let code: number = EXIT.ok;
    if (unread.length > 0 && !("unread" in expected)) {
      for (const part of unread) code = complain(`${this.#path}: ${unreadWords(part)}`, EXIT.data);
    }
    if (fault !== undefined && !("fault" in expected))
      code = complain(`${this.#path}: ${FAULT_WORDS[fault]} (${fault})`, EXIT.data);
    return code;
  }
}

/** A value of --speed: 0.001 to 1,000,000 times as fast. */
export function speedOf(text: string): number {
  const speed = Number(text);
  if (!(speed >= 0.001 && speed <= 1_000_000))
    throw new InvalidArgumentError("It must be a number from 0.001 to 1000000; 1 is as recorded.");
  return speed;
}

/** "2.5" or "2.5%" as a share. */
export function percentOf(text: string): number {
  const percent = Number(text.replace(/%$/, ""));
  if (!/^\d/.test(text) || !(percent >= 0 && percent <= 100))
    throw new InvalidArgumentError("It must be a percentage, 0 to 100.");
  return percent / 100;
}

/** How often to play, at least once. */
export function timesOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("It must be a whole number, at least 1.");
  return Number(text);
}

/** 0 to 2^32-1. */
export function seedOf(text: string): number {
  const seed = Number(text);
  if (!/^\d{1,10}$/.test(text) || seed >= 2 ** 32)
    throw new InvalidArgumentError("It must be a whole number below 4294967296.");
  return seed;
}
