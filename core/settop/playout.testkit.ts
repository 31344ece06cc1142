// A playout on a test bench: a sender for it, an output that keeps everything, and what it tells the machine.
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { type Instant, instant } from "../base/time.ts";
import type { Output, OutputStatus } from "../ports/output.ts";
import { RTP_HEADER, writeRtpHeader } from "../stream/rtp.ts";
import { StreamSender } from "../stream/sender.ts";
import type { StreamSign } from "./events.ts";
import { Playout } from "./playout.ts";

/** Keeps every octet. */
export class Recorder implements Output {
  readonly packets: Uint8Array[] = [];

  /** False: takes nothing. */
  takes = true;

  write(packet: Uint8Array, _end: number, from: number, to: number): boolean {
    if (this.takes) this.packets.push(packet.slice(from, to));
    return this.takes;
  }

  status(): OutputStatus {
    return { driver: "recorder", packets: this.packets.length, octets: 0, drops: {}, fault: undefined };
  }

  async close(): Promise<void> {}
}

export const SSRC = 7;
export const STREAM = { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: SSRC, payloadType: 33 } as const;
export const key = (epoch: number) => ({
  epoch,
  masterKey: new Uint8Array(16).fill(epoch),
  masterSalt: new Uint8Array(12).fill(epoch),
});
export const at = (ms: number): Instant => instant(ms);

/** Tuned to at 100 ms; `use` makes the sender use an epoch, `granted` gives the playout the first. */
export function bench(firstIndex = 5) {
  const output = new Recorder();
  const signs: StreamSign[] = [];
  const playout = new Playout({ ciphers: nodeCiphers, output, sign: (sign) => signs.push(sign) }, at(100));
  const { suite, mkiLength, ssrc } = STREAM;
  const sender = new StreamSender({ ciphers: nodeCiphers, suite, mkiLength, ssrc, firstIndex });
  const use = (epoch: number): void => {
    sender.install(epoch, key(epoch).masterKey, key(epoch).masterSalt);
    sender.switchTo(epoch);
  };
  const packet = (shape: (rtp: Uint8Array) => void = () => {}): Uint8Array => {
    const bytes = new Uint8Array(RTP_HEADER + 188 + sender.trailerLength);
    writeRtpHeader(bytes, 33, 0);
    bytes.fill(0x47, RTP_HEADER, RTP_HEADER + 188);
    shape(bytes);
    return bytes.subarray(0, sender.protect(bytes, RTP_HEADER + 188));
  };
  const granted = (): void => {
    playout.receive(STREAM);
    playout.position({ roc: Math.floor(firstIndex / 0x10000), seq: firstIndex % 0x10000, age: 0 });
    playout.install(key(1));
  };
  return { output, signs, playout, use, packet, granted };
}
