// Messages of rtnetlink about a bridge's multicast database (linux/if_bridge.h, br_mdb.c), in the machine's own byte order.
import { type Ipv4, ipv4, readIpv4, writeIpv4 } from "../../core/base/ipv4.ts";
import { readNative16, readNative32, writeNative16, writeNative32 } from "../socket-options.ts";

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const RTM_NEWMDB = 84;
const RTM_DELMDB = 85;
const RTM_GETMDB = 86;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_REPLACE = 0x100;
const NLM_F_CREATE = 0x400;
const NLM_F_DUMP = 0x300;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE = 0x3fff;

const AF_BRIDGE = 7;
/** struct nlmsghdr, struct br_port_msg, struct nlattr, struct br_mdb_entry. */
const HEADER = 16;
const PORT_MESSAGE = 8;
const ATTRIBUTE = 4;
const ENTRY = 28;
const ENTRY_STATE = 4;
const ENTRY_VLAN = 6;
const ENTRY_GROUP = 8;
const ENTRY_PROTOCOL = 24;
const TEMPORARY = 0;
const PERMANENT = 1;
const ETH_P_IP = 0x0800;

// Of a request, and within its attributes.
const SET_ENTRY = 1;
const SET_ENTRY_ATTRS = 2;
const SOURCE = 1;
const SOURCE_LIST = 2;
const LIST_ENTRY = 1;
const LIST_ADDRESS = 1;
const MODE = 3;
const PROTOCOL = 4;
const INCLUDE = 1;

// Of an answer.
const MDB = 1;
const ROUTERS = 2;
const ROUTER_PORT = 1;
const MDB_ENTRY = 1;
const MDB_ENTRY_INFO = 1;
const INFO_MODE = 3;
const INFO_SOURCE = 4;
const INFO_PROTOCOL = 5;

/** By which we know our entries again (Linux 6.2): a number that no routing daemon has (linux/rtnetlink.h, RTPROT_*). */
const OUR_PROTOCOL = 0x5c;

/** A port's entry of a group, or of one of its sources. */
export interface MdbEntry {
  /** Interface numbers. */
  readonly bridge: number;
  readonly port: number;
  readonly group: Ipv4;
  /** (S, G); undefined: (*, G). */
  readonly source: Ipv4 | undefined;
  /** 1 to 4094; undefined: of a bridge that does not tell VLANs apart, and where it does, in a request, each VLAN of the port. */
  readonly vlan?: number | undefined;
}

/** The kernel has no (*, G) of no source; this is none that any network carries. */
const NO_SENDER = ipv4(0x7f000001);

/** What a kernel before 6.2 does not know: who made an entry, and an entry that gives a port nothing. */
export type MdbDialect = "full" | "plain";

/** Permanent: the kernel's own snooping neither changes nor ends it. Temporary: as if the kernel had just heard a report. */
export type MdbState = "permanent" | "temporary";

function attribute(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  const whole = Buffer.alloc(ATTRIBUTE + Math.ceil(value.length / 4) * 4);
  writeNative16(whole, 0, ATTRIBUTE + value.length);
  writeNative16(whole, 2, type);
  value.copy(whole, ATTRIBUTE);
  return whole;
}

const nested = (type: number, parts: readonly Uint8Array[]): Buffer => attribute(type | NLA_F_NESTED, ...parts);

function addressOctets(address: Ipv4): Buffer {
  const octets = Buffer.alloc(4);
  writeIpv4(octets, 0, address);
  return octets;
}

function message(type: number, flags: number, sequence: number, bridge: number, attributes: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(HEADER + PORT_MESSAGE);
  const whole = Buffer.concat([head, ...attributes]);
  writeNative32(whole, 0, whole.length);
  writeNative16(whole, 4, type);
  writeNative16(whole, 6, NLM_F_REQUEST | flags);
  writeNative32(whole, 8, sequence);
  whole[HEADER] = AF_BRIDGE;
  writeNative32(whole, HEADER + 4, bridge);
  return whole;
}

/** struct br_mdb_entry. */
function entryOctets({ port, group, vlan = 0 }: MdbEntry, state: MdbState): Buffer {
  const octets = Buffer.alloc(ENTRY);
  writeNative32(octets, 0, port);
  octets[ENTRY_STATE] = state === "permanent" ? PERMANENT : TEMPORARY;
  writeNative16(octets, ENTRY_VLAN, vlan);
  writeIpv4(octets, ENTRY_GROUP, group);
  octets.writeUInt16BE(ETH_P_IP, ENTRY_PROTOCOL);
  return octets;
}

const sourceAttribute = ({ source }: MdbEntry): readonly Buffer[] =>
  source === undefined ? [] : [attribute(SOURCE, addressOctets(source))];

const newAttributes = (entry: MdbEntry, dialect: MdbDialect): readonly Buffer[] => [
  ...sourceAttribute(entry),
  ...(dialect === "full" ? [attribute(PROTOCOL, Uint8Array.of(OUR_PROTOCOL))] : []),
];

/** Of a port that gets nothing: it takes one source alone, and that does not send. */
const nothing: readonly Buffer[] = [
  attribute(MODE, Uint8Array.of(INCLUDE)),
  nested(SOURCE_LIST, [nested(LIST_ENTRY, [attribute(LIST_ADDRESS, addressOctets(NO_SENDER))])]),
];

const withAttributes = (entry: MdbEntry, attributes: readonly Buffer[], state: MdbState): readonly Buffer[] => [
  attribute(SET_ENTRY, entryOctets(entry, state)),
  ...(attributes.length === 0 ? [] : [nested(SET_ENTRY_ATTRS, attributes)]),
];

/** Adds the entry, or replaces that of the same port, group and source. */
export const newEntry = (sequence: number, entry: MdbEntry, dialect: MdbDialect, state: MdbState): Buffer =>
  message(
    RTM_NEWMDB,
    NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
    sequence,
    entry.bridge,
    withAttributes(entry, newAttributes(entry, dialect), state),
  );

/**
 * In place of whatever entry of the group the port has: it gets nothing of all sources, and what its hosts report does not change that.
 * Not of the plain dialect.
 */
export function newRefusal(sequence: number, port: Omit<MdbEntry, "source">): Buffer {
  const entry = { ...port, source: undefined };
  const attributes = withAttributes(entry, [...newAttributes(entry, "full"), ...nothing], "permanent");
  return message(RTM_NEWMDB, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, sequence, entry.bridge, attributes);
}

/** Takes it out, whoever made it. */
export const deleteEntry = (sequence: number, entry: MdbEntry): Buffer =>
  message(RTM_DELMDB, NLM_F_ACK, sequence, entry.bridge, withAttributes(entry, sourceAttribute(entry), "permanent"));

/** Asks for the entries of all bridges. */
export const allEntries = (sequence: number): Buffer => message(RTM_GETMDB, NLM_F_DUMP, sequence, 0, []);

/** What came in answer. */
export type MdbAnswer =
  /** errno; 0 when it was done. */
  | { readonly kind: "done"; readonly sequence: number; readonly errno: number }
  /** Of IPv4 only. */
  | { readonly kind: "entry"; readonly entry: MdbEntry; readonly ours: boolean }
  /** As of `newRefusal`. */
  | { readonly kind: "refusal"; readonly entry: MdbEntry; readonly ours: boolean }
  /** A router is known behind the port, or it has been told so. */
  | { readonly kind: "router"; readonly bridge: number; readonly port: number };

/** The messages of one read. What is cut or unknown is passed over. */
export function* answersIn(octets: Buffer): Generator<MdbAnswer> {
  for (let at = 0; at + HEADER <= octets.length; ) {
    const length = readNative32(octets, at);
    if (length < HEADER || at + length > octets.length) return;
    yield* answersOf(octets.subarray(at, at + length));
    at += Math.ceil(length / 4) * 4;
  }
}

function* answersOf(one: Buffer): Generator<MdbAnswer> {
  const [type, sequence] = [readNative16(one, 4), readNative32(one, 8)];
  if (type === NLMSG_DONE) yield { kind: "done", sequence, errno: 0 };
  else if (type === NLMSG_ERROR && one.length >= HEADER + 4)
    yield { kind: "done", sequence, errno: (0x1_0000_0000 - readNative32(one, HEADER)) % 0x1_0000_0000 };
  else if (type === RTM_GETMDB && one.length >= HEADER + PORT_MESSAGE) {
    yield* entriesOf(one);
    yield* routersOf(one);
  }
}

function* routersOf(one: Buffer): Generator<MdbAnswer> {
  const bridge = readNative32(one, HEADER + 4);
  for (const { type, value } of attributesIn(one.subarray(HEADER + PORT_MESSAGE)))
    for (const router of type === ROUTERS ? attributesIn(value) : [])
      if (router.type === ROUTER_PORT && router.value.length >= 4)
        yield { kind: "router", bridge, port: readNative32(router.value, 0) };
}

function* entriesOf(one: Buffer): Generator<MdbAnswer> {
  const bridge = readNative32(one, HEADER + 4);
  for (const mdb of attributesIn(one.subarray(HEADER + PORT_MESSAGE)))
    if (mdb.type === MDB)
      for (const group of attributesIn(mdb.value))
        for (const info of group.type === MDB_ENTRY ? attributesIn(group.value) : [])
          if (info.type === MDB_ENTRY_INFO) yield* entryOf(bridge, info.value);
}

function* entryOf(bridge: number, info: Buffer): Generator<MdbAnswer> {
  if (info.length < ENTRY || info.readUInt16BE(ENTRY_PROTOCOL) !== ETH_P_IP) return;
  const attributes = new Map(Array.from(attributesIn(info.subarray(ENTRY)), ({ type, value }) => [type, value]));
  const source = attributes.get(INFO_SOURCE);
  const entry: MdbEntry = {
    bridge,
    port: readNative32(info, 0),
    group: readIpv4(info, ENTRY_GROUP),
    source: source?.length === 4 ? readIpv4(source, 0) : undefined,
    vlan: readNative16(info, ENTRY_VLAN) || undefined,
  };
  if (entry.source === NO_SENDER) return;
  const isRefusal = entry.source === undefined && attributes.get(INFO_MODE)?.[0] === INCLUDE;
  const ours = attributes.get(INFO_PROTOCOL)?.[0] === OUR_PROTOCOL;
  yield { kind: isRefusal ? "refusal" : "entry", entry, ours };
}

function* attributesIn(octets: Buffer): Generator<{ readonly type: number; readonly value: Buffer }> {
  for (let at = 0; at + ATTRIBUTE <= octets.length; ) {
    const length = readNative16(octets, at);
    if (length < ATTRIBUTE || at + length > octets.length) return;
    yield { type: readNative16(octets, at + 2) & NLA_TYPE, value: octets.subarray(at + ATTRIBUTE, at + length) };
    at += Math.ceil(length / 4) * 4;
  }
}
