// A whole capture at once, for tests: what the machines made of it, and its timeline.
import { CaptureReader } from "./capture.ts";
import type { CapturedPacket, CaptureFault } from "./captured-packet.ts";
import { LINK_TYPES } from "./link-type.ts";
import { Replay, type Replayed, type ReplayOptions } from "./replay.ts";
import { Timeline, type TimelineEntry } from "./timeline.ts";

/** With the timeline that was kept. */
export interface WholeReplay extends Replayed {
  readonly timeline: readonly TimelineEntry[];
  readonly timelineLeftOut: number;
}

/** What the reader makes of a file that comes in parts of `size` octets. */
export function* readInParts(file: Uint8Array, size = file.length): Generator<CapturedPacket | CaptureFault, void> {
  const reader = new CaptureReader();
  for (let at = 0; at < file.length; at += size) yield* reader.read(file.subarray(at, at + size));
  yield* reader.end();
}

/** Plays a file; never throws. */
export function replayIgmp(file: Uint8Array, options: ReplayOptions = {}): WholeReplay {
  const timeline = new Timeline();
  const replay = new Replay(options, (entry) => timeline.tell(entry));
  for (const item of readInParts(file)) {
    if (typeof item === "string") replay.fault(item);
    else replay.packet(item);
  }
  return { ...replay.result(), timeline: timeline.entries, timelineLeftOut: timeline.leftOut };
}

/** A pcapng file, little-endian, a packet a second: an interface for each name, and packets of them by number. */
export function pcapng(
  names: readonly string[],
  packets: readonly (readonly [source: number, bytes: Uint8Array])[],
  linkTypeOf: (source: number) => number = () => LINK_TYPES.ethernet,
): Uint8Array {
  const section = littleEndian([0x1a2b3c4d, 1, 0xffffffff, 0xffffffff]);
  const described = names.map((name, i) =>
    block(1, littleEndian([linkTypeOf(i), 0, 2 | (name.length << 16)]), ascii(name)),
  );
  const kept = packets.map(([source, bytes], i) =>
    block(6, littleEndian([source, 0, i * 1_000_000, bytes.length, bytes.length]), bytes),
  );
  return joined(block(0x0a0d0d0a, section), ...described, ...kept);
}

const ascii = (text: string): Uint8Array => Uint8Array.from([...text], (letter) => letter.charCodeAt(0));

function littleEndian(words: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * words.length));
  words.forEach((word, i) => {
    view.setUint32(4 * i, word, true);
  });
  return new Uint8Array(view.buffer);
}

/** Its body is padded to whole words. */
function block(type: number, ...body: readonly Uint8Array[]): Uint8Array {
  const content = joined(...body);
  const padding = new Uint8Array((4 - (content.length % 4)) % 4);
  const length = 12 + content.length + padding.length;
  return joined(littleEndian([type, length]), content, padding, littleEndian([length]));
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
