// Clear datagrams that tell their channel and number, and the screen that checks them.
import { readUint32, writeUint32 } from "../../core/base/bytes.ts";
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { after, type Duration, type Instant } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { DatagramSocket } from "../../core/ports/datagrams.ts";
import type { Output, OutputStatus } from "../../core/ports/output.ts";

const LENGTH = 200;

export function numbered(channel: number, number: number): Uint8Array {
  const payload = new Uint8Array(LENGTH).fill((channel * 31 + number) & 255);
  writeUint32(payload, 0, channel);
  writeUint32(payload, 4, number);
  return payload;
}

/** Sends one datagram a channel every `every`, for ever. */
export function sendNumbered(
  clock: Clock,
  socket: DatagramSocket,
  to: Ipv4,
  ports: readonly number[],
  every: Duration,
) {
  const next = (number: number): void => {
    for (const [channel, port] of ports.entries()) socket.send(numbered(channel, number), to, port);
    clock.alarm(after(clock.now(), every), () => next(number + 1));
  };
  next(0);
}

interface Shown {
  readonly number: number;
  readonly at: Instant;
}

/** Keeps what was shown, by channel. Throws RangeError on an octet that the headend was not given. */
export class NumberedScreen implements Output {
  readonly #clock: Clock;
  readonly #shown = new Map<number, Shown[]>();
  readonly #anew = new Set<number>();
  #packets = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  write(packet: Uint8Array, _end: number, from: number, to: number): boolean {
    const payload = packet.subarray(from, to);
    const [channel, number] = [readUint32(payload, 0), readUint32(payload, 4)];
    if (Buffer.compare(payload, numbered(channel, number)) !== 0) throw new RangeError(`not what was sent: ${number}`);
    const before = this.#shown.get(channel) ?? [];
    this.#shown.set(channel, before);
    const last = before.at(-1)?.number ?? -1;
    if (!this.#anew.delete(channel) && number <= last)
      throw new RangeError(`${number} after ${last}: repeated or out of order`);
    before.push({ number, at: this.#clock.now() });
    this.#packets++;
    return true;
  }

  /** Another viewing may begin: it need not go on where the one before was. */
  anew(): void {
    for (const channel of this.#shown.keys()) this.#anew.add(channel);
  }

  of(channel: number): readonly Shown[] {
    return this.#shown.get(channel) ?? [];
  }

  lastAt(channel: number): Instant | undefined {
    return this.#shown.get(channel)?.at(-1)?.at;
  }

  /** Numbers that are missing between the first shown at or after `from` and the last shown at or before `to`. */
  missing(channel: number, from: Instant, to: Instant): readonly number[] {
    const shown = this.of(channel).filter(({ at }) => at >= from && at <= to);
    const gaps: number[] = [];
    for (const [i, { number }] of shown.entries())
      for (let n = (shown[i - 1]?.number ?? number) + 1; n < number; n++) gaps.push(n);
    return gaps;
  }

  status(): OutputStatus {
    return { driver: "numbered", packets: this.#packets, octets: this.#packets * LENGTH, drops: {}, fault: undefined };
  }

  async close(): Promise<void> {}
}
