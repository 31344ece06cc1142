// Lines to standard output as they come, in few writes, and never more of them waiting than the reader takes.
import { writeOut } from "../shared/standard-output.ts";

/** Once the reader has gone (`| head`) nothing is kept any more. */
export class Printer {
  #waiting: string[] = [];
  #gone = false;

  get isGone(): boolean {
    return this.#gone;
  }

  line(text: string): void {
    if (!this.#gone) this.#waiting.push(text);
  }

  /** Resolves when everything has been handed over: false when the reader has gone. Rejects with HalError "stdout.failed". */
  async flush(): Promise<boolean> {
    if (this.#waiting.length === 0) return !this.#gone;
    const text = `${this.#waiting.join("\n")}\n`;
    this.#waiting = [];
    this.#gone = !(await writeOut(text));
    return !this.#gone;
  }
}
