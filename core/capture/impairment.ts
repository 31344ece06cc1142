// A bad wire: frames that are lost, and frames that others overtake. The same entropy makes the same misfortune.
import type { Entropy } from "../ports/entropy.ts";

/** Each a share of all frames, 0 to 1. */
export interface ImpairmentOptions {
  readonly loss: number;
  readonly reorder: number;
}

interface Held {
  readonly frame: Uint8Array;
  /** Frames that have still to overtake it. */
  left: number;
}

/** A frame that is held back is overtaken by up to this many that are not. */
const MOST_OVERTAKING = 3;

/** Between whoever sends and the wire. */
export class Impairment {
  lost = 0;
  reordered = 0;
  readonly #options: ImpairmentOptions;
  readonly #entropy: Entropy;
  #held: Held[] = [];

  constructor(options: ImpairmentOptions, entropy: Entropy) {
    this.#options = options;
    this.#entropy = entropy;
  }

  /** What goes out now that `frame` has come, in this order. Held frames are copies. */
  pass(frame: Uint8Array): readonly Uint8Array[] {
    if (this.#happens(this.#options.loss)) {
      this.lost++;
      return [];
    }
    if (this.#happens(this.#options.reorder)) {
      this.reordered++;
      this.#held.push({ frame: frame.slice(), left: 1 + Math.floor(this.#entropy.below(MOST_OVERTAKING)) });
      return [];
    }
    for (const held of this.#held) held.left--;
    const released = this.#held.filter(({ left }) => left <= 0);
    this.#held = this.#held.filter(({ left }) => left > 0);
    return [frame, ...released.map((held) => held.frame)];
  }

  /** What is still held back: nothing comes any more that could overtake it. */
  flush(): readonly Uint8Array[] {
    const frames = this.#held.map(({ frame }) => frame);
    this.#held = [];
    return frames;
  }

  #happens(share: number): boolean {
    return share > 0 && this.#entropy.below(1) < share;
  }
}
