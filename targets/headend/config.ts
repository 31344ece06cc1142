// The headend's configuration.
import * as v from "valibot";
import { formatIpv4, type Ipv4, isMulticast } from "../../core/base/ipv4.ts";
import type { InterfaceChoice } from "../../core/ports/datagrams.ts";
import type { MkiLength, Suite } from "../../core/stream/suites.ts";
import { SUITES } from "../../core/stream/suites.ts";
import {
  brokerEntries,
  commonEntries,
  groupText,
  type InterfaceEntries,
  identifier,
  interfaceEntries,
  interfaceFault,
  interfaceOf,
  ipv4Text,
  portNumber,
  x25519PublicKey,
} from "../shared/config.ts";
import { CIPHERS, DATAGRAMS, type MediaConfig } from "../shared/media-drivers.ts";
import type { BrokerConfig } from "../shared/participant.ts";
import type { CommonConfig } from "../shared/target.ts";

interface NetworkEntries extends InterfaceEntries {
  readonly address: Ipv4;
  readonly port: number;
  readonly source?: Ipv4 | undefined;
  readonly silence: number;
}

/** Where a channel's clear stream comes from. */
export type InputConfig =
  | ({ readonly kind: "udp" } & NetworkEntries)
  | ({ readonly kind: "rtp" } & NetworkEntries)
  | { readonly kind: "file"; readonly path: string; readonly loop: boolean; readonly bitrate?: number | undefined }
  | { readonly kind: "stdin"; readonly bitrate?: number | undefined };

/** One channel: its stream in, its group and keys out. */
export interface ChannelConfig extends InterfaceEntries {
  readonly id: string;
  readonly group: Ipv4;
  readonly port: number;
  readonly input: InputConfig;
  readonly content: "ts" | "datagram";
  readonly payloadType?: number | undefined;
  readonly ssrc?: number | undefined;
  readonly suite: Suite;
  readonly mki: MkiLength;
  readonly rocEvery?: number | undefined;
  readonly keys: "headend" | "key-server";
  readonly interval: number;
  readonly lead?: number | undefined;
  readonly window?: number | undefined;
  readonly overlap: number;
  readonly shortestLead: number;
  readonly position: "calendar" | "zero";
  readonly ttl?: number | undefined;
  readonly largest: number;
  readonly sign: boolean;
  readonly signWindow: number;
}

/** A whole headend. */
export interface HeadendConfig extends CommonConfig, InterfaceEntries, MediaConfig {
  readonly id: string;
  readonly broker: BrokerConfig;
  readonly identity: string;
  readonly keyServer: { readonly id: string; readonly publicKey: Uint8Array };
  readonly ttl: number;
  readonly channels: readonly ChannelConfig[];
}

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const secondsOf = (least: number, most: number) => v.pipe(v.number(), v.minValue(least), v.maxValue(most));
const ttl = whole(0, 255);
const bitrate = whole(1000, 1_000_000_000);
const path = v.pipe(v.string(), v.minLength(1));

const network = {
  /** A multicast group, which is joined, or one of this machine's addresses; 0.0.0.0 takes what comes to any. */
  address: v.optional(ipv4Text, "0.0.0.0"),
  port: portNumber,
  /** Only from this sender; with a group a source-specific join. */
  source: v.optional(ipv4Text),
  /** On which the group is joined. */
  ...interfaceEntries,
  /** Seconds without a packet after which that is an alarm, and a group is joined anew; 0 for never. */
  silence: v.optional(secondsOf(0, 3600), 5),
} as const;

const input = v.variant("kind", [
  v.strictObject({ kind: v.literal("udp"), ...network }),
  v.strictObject({ kind: v.literal("rtp"), ...network }),
  v.strictObject({
    kind: v.literal("file"),
    path,
    loop: v.optional(v.boolean(), true),
    /** bit/s instead of the PCRs. */
    bitrate: v.optional(bitrate),
  }),
  v.strictObject({ kind: v.literal("stdin"), bitrate: v.optional(bitrate) }),
]);

const channel = v.strictObject({
  id: identifier,
  group: groupText,
  port: portNumber,
  input,
  /** ts: MPEG-TS, RTP payload type 33. datagram: anything, each datagram as it is. */
  content: v.optional(v.picklist(["ts", "datagram"]), "ts"),
  /** Default: 33 for ts, 96 for datagram. */
  payloadType: v.optional(whole(0, 127)),
  /** Default: from the channel's id, the same after every start. */
  ssrc: v.optional(whole(0, 0xffff_ffff)),
  suite: v.optional(v.picklist(SUITES), "AEAD_AES_128_GCM"),
  /** Octets of master key identifier in each packet; 0 for players that know none. */
  mki: v.optional(v.picklist([0, 4]), 4),
  /** Every so many packets carry the ROC (RFC 4771), for players that nobody else tells it. Default: none. */
  rocEvery: v.optional(whole(1, 0xffff)),
  /** Who makes the keys: the headend (claim 3) or the key server (claim 7). */
  keys: v.optional(v.picklist(["headend", "key-server"]), "headend"),
  /** Seconds between two keys. */
  interval: v.optional(secondsOf(1, 86_400), 300),
  /** Seconds between the acknowledgement of a key and its use; default 10, or half the interval if that is less. */
  lead: v.optional(secondsOf(0.1, 3600)),
  /** Seconds over which set-tops spread their requests; default 0.6 of the lead. */
  window: v.optional(secondsOf(0, 3600)),
  /** Seconds for which set-tops keep the old key. */
  overlap: v.optional(secondsOf(2, 600), 2),
  /** The lead in seconds when a device has lost its right. */
  shortestLead: v.optional(secondsOf(0, 60), 1),
  /** calendar: the packet index goes on above everything sent before a restart. zero: for players that start at ROC 0. */
  position: v.optional(v.picklist(["calendar", "zero"]), "calendar"),
  ttl: v.optional(ttl),
  ...interfaceEntries,
  /** The largest payload in octets; more than 1440 is fragmented on Ethernet. */
  largest: v.optional(whole(188, 65_000), 1500),
  /** Manifests of all packets, signed, so that no member of the group can send in our name. */
  sign: v.optional(v.boolean(), false),
  /** Milliseconds that each packet then waits for its manifest. */
  signWindow: v.optional(whole(10, 200), 50),
});

const fields = v.strictObject({
  ...commonEntries,
  ...brokerEntries,
  id: identifier,
  /** File with this headend's keys (see `keygen`). */
  identity: path,
  keyServer: v.strictObject({
    id: identifier,
    /** X25519, hexadecimal. */
    publicKey: x25519PublicKey,
  }),
  /** node: OpenSSL. noble: JavaScript, for a Node without it. */
  cipher: v.optional(v.picklist(CIPHERS), "auto"),
  /** Likewise for UDP: our addon, or node:dgram. */
  datagrams: v.optional(v.picklist(DATAGRAMS), "auto"),
  /** Out of which multicast goes. */
  ...interfaceEntries,
  ttl: v.optional(ttl, 16),
  channels: v.pipe(v.array(channel), v.minLength(1), v.maxLength(256)),
});

/** The interface out of which a channel's multicast goes. */
export const outgoingOf = (headend: HeadendConfig, channel: ChannelConfig): InterfaceChoice =>
  interfaceOf(channel, interfaceOf(headend));

/** What the channels need of this machine: interfaces of outgoing multicast and of joined inputs, addresses that inputs are bound to. */
export const interfacesOf = (config: HeadendConfig): readonly InterfaceChoice[] =>
  config.channels.flatMap((channel) => [outgoingOf(config, channel), ...inputInterfaces(channel.input)]);

function inputInterfaces(input: InputConfig): readonly InterfaceChoice[] {
  if (input.kind !== "udp" && input.kind !== "rtp") return [];
  return isMulticast(input.address) ? [interfaceOf(input)] : [input.address];
}

const LEAD = 10;

/** The times of a channel in whole milliseconds, with what is not configured derived from the interval. */
export function timesOf({ interval, lead, window, overlap, shortestLead }: ChannelConfig) {
  const chosen = lead ?? Math.min(LEAD, interval / 2);
  const ms = (s: number): number => Math.round(s * 1000);
  return {
    interval: ms(interval),
    lead: ms(chosen),
    window: ms(window ?? 0.6 * chosen),
    overlap: ms(overlap),
    shortestLead: ms(Math.min(shortestLead, chosen)),
  };
}

interface CrossFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Where the interface is chosen under both names of the entry. */
function doubleInterfaces(config: HeadendConfig): readonly CrossFault[] {
  const places: readonly (readonly [path: readonly (string | number)[], entries: object])[] = [
    [[], config],
    ...config.channels.flatMap((channel, i) => [
      [["channels", i], channel] as const,
      [["channels", i, "input"], channel.input] as const,
    ]),
  ];
  return places.flatMap(([path, entries]) => {
    const message = interfaceFault(entries);
    return message === undefined ? [] : [{ path: [...path, "interface"], message }];
  });
}

/** What the entries of one channel say of each other. */
function faultsOf(channel: ChannelConfig): readonly CrossFault[] {
  const faults: CrossFault[] = [];
  const { interval, lead, window } = timesOf(channel);
  if (lead >= interval) faults.push({ path: ["lead"], message: "must be shorter than the interval" });
  if (window > lead) faults.push({ path: ["window"], message: "must not be longer than the lead" });
  // A key server may offer an epoch again to a headend that has started anew: its packets must not count from zero again.
  if (channel.position === "zero" && channel.keys === "key-server")
    faults.push({ path: ["position"], message: "zero needs keys that are made by the headend" });
  const { kind } = channel.input;
  const paced = kind === "file" || kind === "stdin";
  if (paced && channel.content === "datagram" && channel.input.bitrate === undefined)
    faults.push({ path: ["input"], message: "has no PCRs as content is datagram: needs a bitrate" });
  if (paced && channel.largest < 1316)
    faults.push({ path: ["largest"], message: `must be 1316 or more for a ${kind}` });
  return faults;
}

/** What two channels must not share. */
function clashes(channels: readonly ChannelConfig[], i: number): readonly CrossFault[] {
  const own = channels[i];
  if (own === undefined) return [];
  const before = channels.slice(0, i);
  const faults: CrossFault[] = [];
  if (before.some(({ id }) => id === own.id))
    faults.push({ path: ["id"], message: `channel ${own.id} is there twice` });
  if (before.some(({ group, port }) => group === own.group && port === own.port))
    faults.push({ path: ["group"], message: `${formatIpv4(own.group)}:${own.port} is there twice` });
  if (own.input.kind === "stdin" && before.some((c) => c.input.kind === "stdin"))
    faults.push({ path: ["input"], message: "standard input is there twice" });
  return faults;
}

/** Checked before anything opens; docs/configuration.md has every entry. */
export const headendConfig: v.GenericSchema<unknown, HeadendConfig> = v.pipe(
  fields,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const config = dataset.value;
    const ofChannels = config.channels.flatMap((channel, i) =>
      [...faultsOf(channel), ...clashes(config.channels, i)].map(({ path, message }) => ({
        path: ["channels", i, ...path],
        message,
      })),
    );
    for (const { path, message } of [...ofChannels, ...doubleInterfaces(config)])
      addIssue({ message, path: pathOf(config, path) });
  }),
);

type Path = [v.IssuePathItem, ...v.IssuePathItem[]];

/** valibot wants to know what lies at each step. */
function pathOf(root: unknown, steps: readonly (string | number)[]): Path {
  let at: unknown = root;
  return steps.map((key) => {
    const item = { type: "unknown", origin: "value", input: at, key, value: (at as Record<string, unknown>)[key] };
    at = item.value;
    return item;
  }) as unknown as Path;
}
