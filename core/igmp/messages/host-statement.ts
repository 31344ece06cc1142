// What a message says of groups, one statement at a time, whatever the version its host speaks (RFC 3376 7.3.2).
import type { Address } from "../../base/address.ts";
import type { Ipv4 } from "../../base/ipv4.ts";
import { groupOf, type IgmpPacket } from "./packet.ts";
import type { IgmpVersion } from "./query.ts";
import { isExclude, type ReportRecord, recordsOf } from "./report.ts";

/** The messages in which hosts speak. */
export type HostMessage = "v1Report" | "v2Report" | "v3Report" | "leave";

/** One thing that a host says of one group, and the message in which it said so. */
export interface HostStatement<A extends Address = Ipv4> extends ReportRecord<A> {
  readonly message: HostMessage;
}

/** The statements of a message, in order; none for queries, nor for records of a type that nobody has defined. */
export function statementsIn(packet: IgmpPacket): readonly HostStatement[] {
  const { kind } = packet;
  switch (kind) {
    case "v3Report":
      return Array.from(recordsOf(packet), (record) => ({ ...record, message: kind }));
    // 7.3.2: a v1 or v2 report is IS_EX({}), a leave TO_IN({}).
    case "v1Report":
    case "v2Report":
      return [{ type: "is-ex", group: groupOf(packet), sources: [], message: kind }];
    case "leave":
      return [{ type: "to-in", group: groupOf(packet), sources: [], message: kind }];
    case "v1Query":
    case "v2Query":
    case "v3Query":
      return [];
  }
}

/** Whether it may make its host a member, or one of more sources: INCLUDE({}) is no membership. */
export const joins = ({ type, sources }: Pick<HostStatement<Address>, "type" | "sources">): boolean =>
  isExclude(type) || (type !== "block" && sources.length > 0);

/** Whether it may end a membership of its host. */
export const isLeaving = ({ type }: HostStatement<Address>): boolean => type === "to-in" || type === "block";

/** The IGMP version of the host's message. */
export const versionOf = ({ message }: Pick<HostStatement<Address>, "message">): IgmpVersion =>
  message === "v3Report" ? 3 : message === "v1Report" ? 1 : 2;
