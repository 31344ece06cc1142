// The bookkeeping that all outputs share.
import { Counters } from "../../core/base/counters.ts";
import type { OutputStatus } from "../../core/ports/output.ts";

/** Too slow a reader, none at all, a driver that failed, or a packet after `close`. */
export type OutputDrop = "output.backlog" | "output.no-reader" | "output.failed" | "output.closed";

/** One per output; `driver` is its name in status. */
export class OutputCounts {
  readonly #driver: string;
  readonly #drops = new Counters<OutputDrop>();
  #packets = 0;
  #octets = 0;
  /** Why nothing gets out at present. */
  fault: string | undefined;

  constructor(driver: string) {
    this.#driver = driver;
  }

  /** So many packets, of so many octets together, were written. */
  written(packets: number, octets: number): void {
    this.#packets += packets;
    this.#octets += octets;
  }

  dropped(drop: OutputDrop, packets = 1): void {
    this.#drops.count(drop, packets);
  }

  status(): OutputStatus {
    return {
      driver: this.#driver,
      packets: this.#packets,
      octets: this.#octets,
      drops: this.#drops.snapshot(),
      fault: this.fault,
    };
  }
}
