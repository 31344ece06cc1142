// The 8-octet messages of hosts: v1 and v2 reports (RFC 1112 appendix I, RFC 2236) and Leave Group, as whole IPv4 packets.
import { writeUint16 } from "../../base/bytes.ts";
import { internetChecksum } from "../../base/checksum.ts";
import { ALL_ROUTERS, type Ipv4, writeIpv4 } from "../../base/ipv4.ts";
import type { HostMessage } from "./host-statement.ts";
import { HEADER_LENGTH, writeIpHeader } from "./ip-header.ts";
import { CHECKSUM, GROUP, MAX_RESPONSE, SHORT_MESSAGE, TYPE, TYPE_OCTET } from "./offsets.ts";

/** The three messages of 8 octets. */
export type V1V2Kind = Exclude<HostMessage, "v3Report">;

/** Octets of the whole IPv4 packet. */
export const V1_V2_LENGTH = HEADER_LENGTH + SHORT_MESSAGE;

/** Fills `into`, exactly V1_V2_LENGTH octets; a report goes to the group, a leave to 224.0.0.2 (RFC 2236 section 9). */
export function writeV1V2Message(into: Uint8Array, source: Ipv4, kind: V1V2Kind, group: Ipv4): Uint8Array {
  if (into.length !== V1_V2_LENGTH) throw new RangeError(`a message of ${V1_V2_LENGTH} octets`);
  const at = HEADER_LENGTH;
  into[at + TYPE] = TYPE_OCTET[kind];
  into[at + MAX_RESPONSE] = 0;
  writeUint16(into, at + CHECKSUM, 0);
  writeIpv4(into, at + GROUP, group);
  writeUint16(into, at + CHECKSUM, internetChecksum(into, at));
  writeIpHeader(into, source, kind === "leave" ? ALL_ROUTERS : group);
  return into;
}
