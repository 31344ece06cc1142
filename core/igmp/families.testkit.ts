// Interfaces that speak IGMP, and interfaces of 16-octet addresses that pass messages from hand to hand: as MLD will, without its octets.
import { type AddressSample, SAMPLE_V4, SAMPLE_V6 } from "../base/address.testkit.ts";
import type { Address, Ipv6 } from "../base/address.ts";
import type { Below } from "../base/chance.testkit.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import { milliseconds, seconds } from "../base/time.ts";
import { ethernet, prefilled } from "./igmp.testkit.ts";
import { type IgmpPacket, isQuery, type MessageKind } from "./messages/packet.ts";
import { type Query, queryLength, writeQuery } from "./messages/query.ts";
import { type RecordType, type ReportRecord, reportLength, writeReport } from "./messages/report.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "./messages/v1-v2-message.ts";
import { IGMP, type MembershipWire } from "./wire.ts";

/** What somebody on the link says. */
export type Said<A extends Address> =
  | { readonly kind: "v3Report"; readonly records: readonly ReportRecord<A>[] }
  | { readonly kind: "v2Report" | "leave"; readonly group: A }
  | { readonly kind: "query"; readonly query: Query<A> };

/** A family with its wire, and how a test speaks on it. */
export interface Spoken<A extends Address> {
  readonly sample: AddressSample<A>;
  readonly wire: MembershipWire<A>;
  readonly packet: (from: A, said: Said<A>) => Uint8Array;
  readonly frame: (mac: string, packet: Uint8Array) => Uint8Array;
}

function igmpPacket(from: Ipv4, said: Said<Ipv4>): Uint8Array {
  switch (said.kind) {
    case "v3Report":
      return writeReport(prefilled(reportLength(said.records)), from, said.records);
    case "query":
      return writeQuery(prefilled(queryLength(said.query)), from, said.query);
    case "v2Report":
    case "leave":
      return writeV1V2Message(prefilled(V1_V2_LENGTH), from, said.kind, said.group);
  }
}

/** IPv4, over the octets of IGMP. */
export const SPOKEN_V4: Spoken<Ipv4> = {
  sample: SAMPLE_V4,
  wire: IGMP,
  packet: igmpPacket,
  frame: ethernet,
};

/** What a packet stands for, which is in none of its octets. */
const MESSAGES = new WeakMap<Uint8Array, { readonly from: Ipv6; readonly said: Said<Ipv6> }>();
const FRAMES = new WeakMap<Uint8Array, { readonly mac: string; readonly packet: Uint8Array }>();

function handed(from: Ipv6, said: Said<Ipv6>): Uint8Array {
  const packet = new Uint8Array(1);
  MESSAGES.set(packet, { from, said });
  return packet;
}

function found<T>(known: WeakMap<Uint8Array, T>, bytes: Uint8Array): T {
  const one = known.get(bytes);
  if (one === undefined) throw new RangeError("octets that nobody handed in");
  return one;
}

const messageIn = ({ bytes }: Pick<IgmpPacket, "bytes">) => found(MESSAGES, bytes);

function queryIn(packet: Pick<IgmpPacket, "bytes">): Query<Ipv6> {
  const { said } = messageIn(packet);
  if (said.kind !== "query") throw new RangeError(`${said.kind} asks nothing`);
  return said.query;
}

const kindOf = (said: Said<Ipv6>): MessageKind =>
  said.kind !== "query" ? said.kind : said.query.version === 3 ? "v3Query" : "v2Query";

const viewOf = (bytes: Uint8Array): IgmpPacket => ({
  kind: kindOf(messageIn({ bytes }).said),
  bytes,
  start: 0,
  end: 1,
  unfilled: false,
});

const { family, group, ssm } = SAMPLE_V6;

const HANDED: MembershipWire<Ipv6> = {
  family,
  sourceSpecific: [{ address: ssm(0), prefixLength: 32 }],
  frame: (bytes) => ({ ...found(FRAMES, bytes), unicast: false }),
  admit: (bytes, _, ours) => {
    return messageIn({ bytes }).from === ours.address ? "igmp.own" : viewOf(bytes);
  },
  check: (bytes) => viewOf(bytes),
  senderOf: (packet) => messageIn(packet).from,
  destinationOf: (packet) => {
    const { said } = messageIn(packet);
    if (said.kind !== "query") return "group" in said ? said.group : group(0);
    return said.query.group === family.unspecified ? family.allNodes : said.query.group;
  },
  hopsOf: () => 1,
  hasRouterAlert: () => true,
  headGroup: (packet) => {
    const { said } = messageIn(packet);
    return said.kind === "query" ? said.query.group : said.kind === "v3Report" ? family.unspecified : said.group;
  },
  statementsIn: (packet) => {
    const { said } = messageIn(packet);
    switch (said.kind) {
      case "query":
        return [];
      case "v3Report":
        return said.records.map((record) => ({ ...record, message: said.kind }));
      case "v2Report":
        return [{ type: "is-ex", group: said.group, sources: [], message: said.kind }];
      case "leave":
        return [{ type: "to-in", group: said.group, sources: [], message: said.kind }];
    }
  },
  undefinedRecords: () => 0,
  readQuery: queryIn,
  splitQuery: (sources) => [sources],
  routerSign: () => undefined,
  query: (source, query) => handed(source, { kind: "query", query }),
  splitReports: (records) => (records.length === 0 ? [] : [records]),
  report: (source, records) => handed(source, { kind: "v3Report", records }),
  short: (source, kind, group) => handed(source, { kind: kind === "leave" ? kind : "v2Report", group }),
};

/** 16 octets, from hand to hand. */
export const SPOKEN_V6: Spoken<Ipv6> = {
  sample: SAMPLE_V6,
  wire: HANDED,
  packet: handed,
  frame: (mac, packet) => {
    const frame = new Uint8Array(1);
    FRAMES.set(frame, { mac, packet });
    return frame;
  },
};

/** What a machine says with this packet, and by whom. */
export function readOut<A extends Address>({ wire }: Spoken<A>, bytes: Uint8Array): object {
  const packet = wire.check(bytes);
  if (typeof packet === "string") throw new RangeError(packet);
  const said = isQuery(packet) ? Object.entries(wire.readQuery(packet)).sort() : wire.statementsIn(packet);
  return { from: wire.senderOf(packet), kind: packet.kind, said };
}

const TYPES: readonly RecordType[] = ["is-in", "is-ex", "to-in", "to-ex", "allow", "block"];
/** The number of our own address. */
export const OURS = 5;

/** What happens, by numbers: the same on both links. */
export type Deed =
  | { readonly kind: "report"; readonly type: RecordType; readonly group: number; readonly sources: readonly number[] }
  | { readonly kind: "v2Report" | "leave"; readonly group: number }
  | { readonly kind: "query"; readonly version: 2 | 3; readonly group: number; readonly sources: readonly number[] };

export interface Step {
  readonly at: number;
  readonly host: number;
  readonly deed: Deed;
}

export function someDeed(below: Below): Deed {
  const group = below(8);
  const sources = Array.from({ length: below(4) }, () => 1 + below(6));
  const choice = below(20);
  if (choice === 0) return { kind: "query", version: below(2) === 0 ? 2 : 3, group: 0, sources: [] };
  if (choice === 1) return { kind: "query", version: 3, group: 1 + below(4), sources };
  if (choice < 4) return { kind: "v2Report", group };
  if (choice < 6) return { kind: "leave", group };
  return { kind: "report", type: TYPES[below(6)] ?? "is-in", group, sources };
}

/** What is heard on a link of one family, and the log of what was done there. */
export class Talk<A extends Address> {
  readonly log: string[] = [];
  readonly #spoken: Spoken<A>;
  /** Addresses by what they are, so that both logs have the same words. */
  readonly #names = new Map<unknown, string>();

  constructor(spoken: Spoken<A>) {
    this.#spoken = spoken;
    const { host, group, ssm, source, family } = spoken.sample;
    for (let n = 1; n < 10; n++)
      for (const [name, one] of Object.entries({ host, group, ssm, source })) this.#names.set(one(n), `${name} ${n}`);
    this.#names.set(family.allNodes, "all nodes").set(family.unspecified, "unspecified");
  }

  packet(host: number, deed: Deed): Uint8Array {
    const { packet, sample } = this.#spoken;
    return packet(host === 0 ? sample.family.unspecified : sample.host(host), this.#said(deed));
  }

  #said(deed: Deed): Said<A> {
    const { source, family } = this.#spoken.sample;
    const group = this.group(deed.group);
    switch (deed.kind) {
      case "report":
        return { kind: "v3Report", records: [{ type: deed.type, group, sources: deed.sources.map(source) }] };
      case "v2Report":
      case "leave":
        return { kind: deed.kind, group };
      case "query": {
        const told = deed.version === 3 ? { robustness: 2, queryInterval: seconds(125) } : undefined;
        const query: Query<A> = {
          version: deed.version,
          group: deed.group === 0 ? family.unspecified : group,
          sources: deed.sources.map(source),
          maxResponse: milliseconds(1000),
          suppress: false,
          ...(told ?? { robustness: 0, queryInterval: seconds(0) }),
        };
        return { kind: "query", query };
      }
    }
  }

  /** 0: the group of all; 1 to 5; and two source-specific ones. */
  group(n: number): A {
    const { family, group, ssm } = this.#spoken.sample;
    return n === 0 ? family.allNodes : n < 6 ? group(n) : ssm(n);
  }

  note(done: readonly unknown[] | object): void {
    for (const one of Object.values(done)) this.log.push(JSON.stringify(one, (_, value) => this.#named(value)));
  }

  #named(value: unknown): unknown {
    if (value instanceof Uint8Array) return readOut(this.#spoken, value);
    // Instants and lengths may be 0 too.
    return value === 0 ? "unspecified" : (this.#names.get(value) ?? value);
  }
}
