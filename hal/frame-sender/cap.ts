// Frames put on an interface through libpcap: the driver where our own socket layer does not load.
import type { Cap } from "cap";
import { HalError } from "../../core/ports/errors.ts";
import type { FrameSender, FrameSenders, SendOutcome } from "../../core/ports/frame-sender.ts";
import { loadCapture } from "../native.ts";
import { ethernetInterface } from "./interface.ts";

/** cap hears wherever it sends: a filter that nothing passes (an EtherType that IEEE keeps reserved). */
const HEAR_NOTHING = "ether proto 0xffff";
const RING_OCTETS = 1 << 16;
const NO_PERMISSION = /permission|not permitted|CAP_NET_RAW/i;
const TOO_LONG = /too long/i;
const BUSY = /temporarily unavailable|no buffer space/i;

/** Needs root or CAP_NET_RAW. */
export const capSenders: FrameSenders = {
  open: async (interfaceName) => {
    const { Cap } = await loadCapture("sender");
    // cap aborts the process on an interface that is down: look first.
    ethernetInterface(interfaceName);
    return new CapSender(interfaceName, new Cap());
  },
};

class CapSender implements FrameSender {
  readonly interfaceName: string;
  readonly #capture: Cap;
  /** cap keeps no reference to it: it must live as long as the capture. */
  readonly #unused = Buffer.alloc(RING_OCTETS);

  constructor(interfaceName: string, capture: Cap) {
    this.interfaceName = interfaceName;
    this.#capture = capture;
    opened(() => capture.open(interfaceName, HEAR_NOTHING, RING_OCTETS, this.#unused), interfaceName);
  }

  send(frame: Uint8Array): SendOutcome {
    try {
      this.#capture.send(Buffer.from(frame.buffer, frame.byteOffset, frame.length), frame.length);
      return "sent";
    } catch (cause) {
      const text = messageOf(cause);
      if (TOO_LONG.test(text)) return "too-long";
      if (BUSY.test(text)) return "busy";
      throw new HalError("sender.failed", `cannot send on ${this.interfaceName}: ${text}`, { cause });
    }
  }

  close(): void {
    this.#capture.close();
  }
}

function opened(open: () => string, interfaceName: string): string {
  try {
    return open();
  } catch (cause) {
    const text = messageOf(cause);
    throw NO_PERMISSION.test(text)
      ? new HalError("sender.permission", `sending frames on ${interfaceName} is not permitted: ${text}`, {
          cause,
          needs: "root, or CAP_NET_RAW",
        })
      : new HalError("sender.failed", `cannot send on ${interfaceName}: ${text}`, { cause });
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
