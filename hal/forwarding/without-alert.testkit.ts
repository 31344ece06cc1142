// Test support: IGMP as hosts send it that leave Router Alert out.
import { writeUint16 } from "../../core/base/bytes.ts";
import { internetChecksum } from "../../core/base/checksum.ts";
import { HEADER_LENGTH } from "../../core/igmp/messages/ip-header.ts";

/** The same packet with a header of 20 octets. */
export function withoutAlert(packet: Uint8Array): Uint8Array {
  const plain = Uint8Array.from([...packet.subarray(0, 20), ...packet.subarray(HEADER_LENGTH)]);
  plain[0] = 0x45;
  writeUint16(plain, 2, plain.length);
  writeUint16(plain, 10, 0);
  writeUint16(plain, 10, internetChecksum(plain, 0, 20));
  return plain;
}
