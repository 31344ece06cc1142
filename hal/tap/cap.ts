// Frame taps through cap, each in a child process: libpcap's abort() on a vanishing interface must not take the router along.
import { type ChildProcess, spawn } from "node:child_process";
import type { Alarm } from "../../core/base/alarm.ts";
import { Backoff } from "../../core/base/backoff.ts";
import { after } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { FrameTap, FrameTaps, TapListener } from "../../core/ports/frame-tap.ts";
import { AGAIN, noTap, notPermitted, openFailed } from "./again.ts";
import { TAP_ARGUMENT, TAP_EXIT } from "./helper.ts";

const LENGTH_OCTETS = 2;
/** Of what a helper says before it ends, how many characters are kept: the last. */
const MOST_SAID = 300;

/** What a tap needs to run its helper, and to run it again. */
export interface CapTapOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** The command that runs this same bundle; the helper's arguments are added. */
  readonly command: readonly [string, ...string[]];
}

/** One helper process a tap, started again when it ends. */
export class CapTaps implements FrameTaps {
  readonly #options: CapTapOptions;

  constructor(options: CapTapOptions) {
    this.#options = options;
  }

  open(interfaceName: string, listener: TapListener): FrameTap {
    return new CapTap(interfaceName, listener, this.#options);
  }
}

class CapTap implements FrameTap {
  readonly interfaceName: string;
  readonly #listener: TapListener;
  readonly #options: CapTapOptions;
  #child: ChildProcess | undefined;
  #again: Alarm | undefined;
  readonly #backoff = new Backoff(AGAIN);
  #open = true;
  #rest = Buffer.alloc(0);

  constructor(interfaceName: string, listener: TapListener, options: CapTapOptions) {
    this.interfaceName = interfaceName;
    this.#listener = listener;
    this.#options = options;
    this.#start();
  }

  dropped(): undefined {
    return undefined;
  }

  close(): void {
    this.#open = false;
    this.#again?.cancel();
    this.#child?.kill("SIGKILL");
  }

  #start(): void {
    const [command, ...rest] = this.#options.command;
    const child = spawn(command, [...rest, TAP_ARGUMENT, this.interfaceName], { stdio: "pipe" });
    this.#child = child;
    this.#rest = Buffer.alloc(0);
    let said = "";
    let told = false;
    const ended = (code: number | null): void => {
      if (!told) this.#ended(code, said.replace(/\s+/g, " ").trim());
      told = true;
    };
    child.stdout.on("data", (octets: Buffer) => this.#received(octets));
    child.stderr.on("data", (text: Buffer) => {
      said = (said + text.toString()).slice(-MOST_SAID);
    });
    child.stdin.on("error", () => {});
    child.on("error", ({ message }) => {
      said = message;
      ended(null);
    });
    // Not "exit": what it has written is read before.
    child.on("close", ended);
  }

  /** At most one unfinished record (64 KB) is kept between two reads. */
  #received(octets: Buffer): void {
    if (!this.#open) return;
    const all = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets]);
    let at = 0;
    while (at + LENGTH_OCTETS <= all.length) {
      const end = at + LENGTH_OCTETS + all.readUInt16BE(at);
      if (end > all.length) break;
      this.#record(all.subarray(at + LENGTH_OCTETS, end));
      at = end;
    }
    this.#rest = Buffer.from(all.subarray(at));
  }

  #record(frame: Buffer): void {
    if (frame.length > 0) {
      this.#listener.frame(frame);
      return;
    }
    this.#backoff.works(this.#options.clock.now());
    this.#listener.resumed();
  }

  #ended(code: number | null, said: string): void {
    if (!this.#open) return;
    const { clock, entropy } = this.#options;
    const now = clock.now();
    this.#again = clock.alarm(after(now, this.#backoff.failed(now, entropy)), () => this.#start());
    this.#listener.interrupted(whyEnded(this.interfaceName, code, said));
  }
}

/** `said` is the cause's text, "" when there is none. */
function whyEnded(name: string, code: number | null, said: string): HalError {
  const because = said === "" ? "" : `: ${said}`;
  switch (code) {
    case TAP_EXIT.noInterface:
      return noTap(name);
    case TAP_EXIT.native:
      return new HalError("tap.native-missing", `the tap's native part (cap, libpcap) cannot be loaded${because}`, {
        needs: "the native package cap and libpcap",
        alternative: "run without taps (`taps: false`): hosts are then known by IP and neighbour table",
      });
    case TAP_EXIT.permission:
      return notPermitted(name, said);
    case TAP_EXIT.open:
      return openFailed(name, said);
    default:
      return new HalError("tap.ended", `the tap on ${name} ended (${code ?? "by a signal"})${because}`);
  }
}
