// What the fuzz tests of this folder do to good packets and frames.
import { hex } from "../base/bytes.testkit.ts";
import { readUint16, writeUint16 } from "../base/bytes.ts";
import type { Below } from "../base/chance.testkit.ts";
import { internetChecksum } from "../base/checksum.ts";
import { address } from "../base/ipv4.ts";
import { query, report, sources, vectorFile } from "./igmp.testkit.ts";

const TYPES = ["is-in", "is-ex", "to-in", "to-ex", "allow", "block"] as const;

/** What routers and hosts say: packets of every kind, some of them about the same groups. */
export const GOOD_PACKETS: readonly Uint8Array[] = [
  ...vectorFile<{ hex: string }[]>("packets.json").map((vector) => hex(vector.hex)),
  ...TYPES.map((type) =>
    report("10.0.0.9", [type, "239.1.1.1", ...sources(1, 2, 3)], [type, "239.1.1.2", ...sources(3)]),
  ),
  query("10.0.0.9", { group: address("239.1.1.1"), sources: sources(1, 2) }),
  query("10.0.0.9", { group: address("239.1.1.1") }),
];

export const pick = (from: readonly Uint8Array[], below: Below): Uint8Array =>
  from[below(from.length)] ?? new Uint8Array(0);

/** A copy with up to four octets changed, now and then cut or made longer. */
export function mutate(good: Uint8Array, below: Below): Uint8Array {
  const length = below(5) === 0 ? below(good.length + 40) : good.length;
  const bytes = new Uint8Array(length);
  bytes.set(good.subarray(0, length));
  for (let i = below(4); i >= 0 && length > 0; i--) {
    const where = below(length);
    bytes[where] = below(2) === 0 ? below(256) : (bytes[where] ?? 0) ^ (1 << below(8));
  }
  return bytes;
}

/** Makes the length of what was cut, and both checksums, right, so that what lies behind them is tested too. */
export function repair(bytes: Uint8Array): void {
  if (bytes.length < 20) return;
  if (bytes[9] !== 2) bytes[9] = 2;
  if (readUint16(bytes, 2) > bytes.length) writeUint16(bytes, 2, bytes.length);
  const header = Math.min(((bytes[0] ?? 0) & 15) * 4, bytes.length);
  writeUint16(bytes, 10, 0);
  writeUint16(bytes, 10, internetChecksum(bytes, 0, header));
  const end = Math.min(((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0), bytes.length);
  if (header + 4 > end) return;
  writeUint16(bytes, header + 2, 0);
  writeUint16(bytes, header + 2, internetChecksum(bytes, header, end));
}
