// Receive queues that the tests fill.
import type { ReceiveQueues } from "../../core/ports/datagrams.ts";

/** Of every socket: what was dropped is what `dropped` says. */
export class ScriptedQueues implements ReceiveQueues {
  dropped = 0;

  overflowed(): number {
    return this.dropped;
  }
}
