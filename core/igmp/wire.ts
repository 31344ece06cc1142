// What an interface machine needs to know of octets: how the messages of a family are let in, read and written.
import { type Address, type AddressFamily, IPV4 } from "../base/address.ts";
import { type Ipv4, ipv4 } from "../base/ipv4.ts";
import type { Subnet } from "../base/subnet.ts";
import type { TrackedHost } from "./host-shares.ts";
import type { InterfaceDrop, RouterInterfaceOptions } from "./interface-events.ts";
import { admitted, type OurSide } from "./interface-gate.ts";
import { type HostStatement, statementsIn } from "./messages/host-statement.ts";
import { destinationAddress, hasRouterAlert, timeToLive } from "./messages/ip-header.ts";
import { checkLanFrame, type LanFrame, type LanFrameDrop, type PortLan } from "./messages/lan-frame.ts";
import { checkPacket, headGroup, type IgmpDrop, type IgmpPacket, senderOf } from "./messages/packet.ts";
import { type Query, queryLength, readQuery, splitQuery, writeQuery } from "./messages/query.ts";
import { type ReportRecord, reportLength, splitReports, undefinedRecords, writeReport } from "./messages/report.ts";
import { V1_V2_LENGTH, type V1V2Kind, writeV1V2Message } from "./messages/v1-v2-message.ts";
import type { HeardQuery } from "./query-guard.ts";
import { type RouterSign, routerSign } from "./router-sign.ts";

/** The readers are safe for what `admit` has let in, and for nothing else. */
export interface MembershipWire<A extends Address> {
  readonly family: AddressFamily<A>;
  /** The groups of which sources are asked for by name only, unless options say otherwise (RFC 4604 section 2). */
  readonly sourceSpecific: readonly Subnet<A>[];
  /** The packet in a frame of this LAN (core/igmp/messages/lan-frame.ts). */
  frame(bytes: Uint8Array, vlan: number | undefined, port?: PortLan): LanFrame | LanFrameDrop;
  /** The message in a whole packet that came in; `vouched`: by the link layer. */
  admit(
    bytes: Uint8Array,
    vouched: boolean,
    ours: OurSide<A>,
    options: RouterInterfaceOptions<A>,
  ): IgmpPacket | InterfaceDrop;
  /** The same as a host takes it, of anybody. */
  check(bytes: Uint8Array): IgmpPacket | IgmpDrop;
  senderOf(packet: IgmpPacket): A;
  destinationOf(packet: IgmpPacket): A;
  /** That it had left. */
  hopsOf(packet: IgmpPacket): number;
  hasRouterAlert(packet: IgmpPacket): boolean;
  /** What the message as a whole is about; unspecified: everything, or what its records name. */
  headGroup(packet: IgmpPacket): A;
  statementsIn(packet: IgmpPacket): readonly HostStatement<A>[];
  undefinedRecords(packet: IgmpPacket): number;
  readQuery(packet: IgmpPacket): Query<A>;
  /** The lists of sources of the queries that ask about all of these within the MTU. */
  splitQuery(sources: readonly A[], mtu: number | undefined): readonly (readonly A[])[];
  /** Whether what is no message of hosts and queriers, by the reason of `admit`, tells of a router behind a bridge port (RFC 4541 2.1.1). */
  routerSign(packet: Uint8Array, refused: InterfaceDrop): RouterSign | undefined;
  /** The whole packet. */
  query(source: A, query: Query<A>): Uint8Array;
  /** The records of the reports that a link with this MTU needs, in order. */
  splitReports(records: readonly ReportRecord<A>[], mtu: number | undefined): readonly (readonly ReportRecord<A>[])[];
  /** The whole packet. */
  report(source: A, records: readonly ReportRecord<A>[]): Uint8Array;
  /** The whole packet of a message of an older version, about one group. */
  short(source: A, kind: V1V2Kind, group: A): Uint8Array;
}

/** A query with all that decides whether it counts. */
export function heardQuery<A extends Address>(
  { destinationOf, hopsOf, readQuery }: MembershipWire<A>,
  from: TrackedHost<A>,
  packet: IgmpPacket,
  unicast: boolean,
): HeardQuery<A> {
  return { from, to: destinationOf(packet), hops: hopsOf(packet), query: readQuery(packet), unicast };
}

/** RFC 4607: 232.0.0.0/8. */
const SOURCE_SPECIFIC: readonly Subnet[] = [{ address: ipv4(0xe8000000), prefixLength: 8 }];

/** IPv4. */
export const IGMP: MembershipWire<Ipv4> = {
  family: IPV4,
  sourceSpecific: SOURCE_SPECIFIC,
  frame: checkLanFrame,
  admit: admitted,
  check: checkPacket,
  senderOf,
  destinationOf: ({ bytes }) => destinationAddress(bytes),
  hopsOf: ({ bytes }) => timeToLive(bytes),
  hasRouterAlert: ({ bytes }) => hasRouterAlert(bytes),
  headGroup,
  statementsIn,
  undefinedRecords,
  readQuery,
  splitQuery,
  routerSign,
  query: (source, query) => writeQuery(new Uint8Array(queryLength(query)), source, query),
  splitReports,
  report: (source, records) => writeReport(new Uint8Array(reportLength(records)), source, records),
  short: (source, kind, group) => writeV1V2Message(new Uint8Array(V1_V2_LENGTH), source, kind, group),
};
