// How long a process took for something on a machine that others use too: without the time it stood in the queue for a processor.
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";

/** Between two looks at what the kernel counts. What is queued after the last one stays in the figure, which so is never too small. */
const LOOK_MS = 5;
const NANOSECONDS = 1e6;

/** Milliseconds that the main thread of a process has been ready and not running (proc(5), schedstat); undefined when it is gone. */
function queuedMs(pid: number): number | undefined {
  try {
    const [, waited] = readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ");
    return Number(waited) / NANOSECONDS;
  } catch {
    return undefined;
  }
}

/** Milliseconds from its making, less those in which one of the processes stood in the queue for a processor. */
export class UnhinderedTime {
  readonly #began = performance.now();
  readonly #processes: { readonly pid: number; readonly before: number; now: number }[];
  readonly #timer: NodeJS.Timeout;

  constructor(...pids: readonly (number | undefined)[]) {
    this.#processes = pids.flatMap((pid) => {
      const before = pid === undefined ? undefined : queuedMs(pid);
      return pid === undefined || before === undefined ? [] : [{ pid, before, now: before }];
    });
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Ends the measurement. */
  stop(): number {
    clearInterval(this.#timer);
    this.#look();
    const queued = this.#processes.reduce((sum, { before, now }) => sum + now - before, 0);
    return performance.now() - this.#began - queued;
  }

  #look(): void {
    for (const one of this.#processes) one.now = queuedMs(one.pid) ?? one.now;
  }
}

export interface SignalledEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Unhindered milliseconds from the signal to the end. */
  readonly took: number;
}

/** Sends the signal and waits for the end of the process. */
export function endedBy(name: NodeJS.Signals, child: ChildProcess): Promise<SignalledEnd> {
  const time = new UnhinderedTime(child.pid);
  const ended = new Promise<SignalledEnd>((resolve) =>
    child.once("exit", (code, signal) => resolve({ code, signal, took: time.stop() })),
  );
  child.kill(name);
  return ended;
}
