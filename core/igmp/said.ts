// What a message says of groups, one thing at a time, whatever the version its host speaks (RFC 3376 7.3.2).
import { groupOf, type IgmpPacket } from "./packet.ts";
import type { IgmpVersion } from "./query.ts";
import { type ReceivedRecord, recordsOf } from "./report.ts";
import type { HostStatement } from "./tracking.ts";

/** One thing that a host says of one group. */
export type Said = ReceivedRecord & { readonly evidence: HostStatement["evidence"] };

/** Nothing for queries. */
export function saidIn(packet: IgmpPacket): Said[] {
  const { kind } = packet;
  if (kind === "v3Report") return Array.from(recordsOf(packet), (record) => ({ ...record, evidence: kind }));
  // 7.3.2: an older report is IS_EX({}), a leave TO_IN({}).
  if (kind === "v1Report" || kind === "v2Report")
    return [{ type: "is-ex", group: groupOf(packet), sources: [], evidence: kind }];
  return kind === "leave" ? [{ type: "to-in", group: groupOf(packet), sources: [], evidence: kind }] : [];
}

/** False for a record of a type that nobody knows. */
export const isStatement = (said: Said): said is Said & HostStatement => said.type !== "unknown";

export const isLeaving = ({ type }: HostStatement): boolean => type === "to-in" || type === "block";

/** The version of the host's message. */
export const versionOf = ({ evidence }: Said): IgmpVersion =>
  evidence === "v3Report" ? 3 : evidence === "v1Report" ? 1 : 2;
