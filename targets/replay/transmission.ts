// A capture played onto a wire: what of it, over how bad a wire, and what became of it.
import type { CapturedPacket } from "../../core/capture/captured-packet.ts";
import type { Impairment } from "../../core/capture/impairment.ts";
import { frameToSend, type Unsendable } from "../../core/capture/outgoing.ts";
import type { FrameSender } from "../../core/ports/frame-sender.ts";

/** Frames by what became of them; the first is of those that went out. */
export interface TransmissionCounts {
  readonly sent: number;
  readonly lost: number;
  readonly reordered: number;
  /** The capture has not all of them. */
  readonly cut: number;
  /** Longer than the interface takes. */
  readonly tooLong: number;
  /** Nothing that an Ethernet could carry. */
  readonly noPacket: number;
}

/** Sends each packet that it is given, or says why not. */
export class Transmission {
  readonly #sender: FrameSender;
  readonly #impairment: Impairment;
  readonly #all: boolean;
  #sent = 0;
  #tooLong = 0;
  readonly #unsendable: Record<Unsendable, number> = { cut: 0, "no-packet": 0, "not-igmp": 0 };

  /** `all`: every packet, not IGMP alone. */
  constructor(sender: FrameSender, impairment: Impairment, all: boolean) {
    this.#sender = sender;
    this.#impairment = impairment;
    this.#all = all;
  }

  /** Rejects with HalError "sender.failed". */
  async packet(captured: CapturedPacket): Promise<void> {
    const frame = frameToSend(captured, this.#all);
    if (typeof frame === "string") this.#unsendable[frame]++;
    else await this.#send(this.#impairment.pass(frame));
  }

  /** The end of a pass: what was held back goes out. */
  flush(): Promise<void> {
    return this.#send(this.#impairment.flush());
  }

  counts(): TransmissionCounts {
    const { lost, reordered } = this.#impairment;
    const { cut, "no-packet": noPacket } = this.#unsendable;
    return { sent: this.#sent, lost, reordered, cut, tooLong: this.#tooLong, noPacket };
  }

  close(): void {
    this.#sender.close();
  }

  async #send(frames: readonly Uint8Array[]): Promise<void> {
    for (const frame of frames) {
      let outcome = this.#sender.send(frame);
      // The interface's queue empties by itself: other work goes on meanwhile.
      for (; outcome === "busy"; outcome = this.#sender.send(frame)) await nextTurn();
      if (outcome === "sent") this.#sent++;
      else this.#tooLong++;
    }
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** A line for a person. */
export function transmissionText(
  { sent, lost, reordered, cut, tooLong, noPacket }: TransmissionCounts,
  interfaceName: string,
): string {
  const others = [
    [lost, "lost"],
    [reordered, "out of order"],
    [cut, "not whole in the capture"],
    [tooLong, "too long for the interface"],
    [noPacket, "nothing for an Ethernet"],
  ] as const;
  const named = others.filter(([count]) => count > 0).map(([count, words]) => `${count} ${words}`);
  return `${sent} frames sent on ${interfaceName}${named.length === 0 ? "" : ` (${named.join(", ")})`}`;
}
