// The set-top's configuration.
import * as v from "valibot";
import { readUint32, toHex } from "../../core/base/bytes.ts";
import { formatIpv4, type Ipv4, isSourceSpecific } from "../../core/base/ipv4.ts";
import { type Duration, milliseconds, seconds } from "../../core/base/time.ts";
import type { RefreshPolicy } from "../../core/igmp/host/refresh.ts";
import type { InterfaceChoice } from "../../core/ports/datagrams.ts";
import type { UnmanagedSender } from "../../core/settop/unmanaged.ts";
import { LIVE_EPOCHS } from "../../core/stream/key-ring.ts";
import { lengthsOf, SUITES, type Suite } from "../../core/stream/suites.ts";
import type { DatagramOutputOptions } from "../../hal/output/datagram.ts";
import type { OutputChoice } from "../../hal/output/open.ts";
import {
  brokerEntries,
  commonEntries,
  groupText,
  hexOctets,
  type InterfaceEntries,
  identifier,
  interfaceEntries,
  interfaceFault,
  interfaceOf,
  ipv4Text,
  portNumber,
  refreshPolicy,
  x25519PublicKey,
} from "../shared/config.ts";
import { CIPHERS, DATAGRAMS, type MediaConfig } from "../shared/media-drivers.ts";
import type { BrokerConfig } from "../shared/participant.ts";
import type { CommonConfig } from "../shared/target.ts";

/** Where clear packets go. */
export type OutputConfig =
  | (Omit<DatagramOutputOptions, keyof InterfaceEntries> & InterfaceEntries)
  | Exclude<OutputChoice, DatagramOutputOptions>;

/** One channel that can be tuned to. */
export interface ChannelConfig {
  readonly id: string;
  readonly group: Ipv4;
  readonly port: number;
  readonly source?: Ipv4 | undefined;
  readonly output?: OutputConfig | undefined;
  readonly unmanaged?: UnmanagedSender | undefined;
}

/** A whole set-top. */
export interface SettopConfig extends CommonConfig, InterfaceEntries, MediaConfig {
  readonly id: string;
  readonly broker: BrokerConfig;
  readonly identity: string;
  readonly journal: string;
  readonly keyServer: { readonly id: string; readonly publicKey: Uint8Array; readonly noticeKey: Uint8Array };
  readonly receiveBuffer: number;
  readonly channels: readonly ChannelConfig[];
  readonly tune: readonly string[];
  readonly output: OutputConfig;
  readonly reorder: { readonly depth: number; readonly patience: Duration };
  readonly authentication: "require" | "flag" | "off";
  readonly most: number;
  readonly overlap: Duration;
  readonly linger: Duration;
  readonly refresh: RefreshPolicy;
}

const output = v.variant("form", [
  v.strictObject({
    /** udp: the payload as it is (7 x 188 octets of TS). rtp: the clear RTP packet. */
    form: v.picklist(["udp", "rtp"]),
    to: v.optional(ipv4Text, "127.0.0.1"),
    port: portNumber,
    ...interfaceEntries,
    ttl: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)), 1),
  }),
  v.strictObject({ form: v.literal("file"), path: v.pipe(v.string(), v.minLength(1)) }),
  v.strictObject({ form: v.literal("stdout") }),
  v.strictObject({ form: v.literal("null") }),
]);

/** Master key and salt in one, as ffmpeg (base64) and GStreamer (hexadecimal) are given them. */
const keyText = v.pipe(
  v.string(),
  v.regex(
    /^([0-9a-fA-F]{2}){28,44}$|^[A-Za-z0-9+/]{38,59}={0,2}$/,
    "must be master key and salt, hexadecimal or base64",
  ),
  v.transform((text) => new Uint8Array(Buffer.from(text, /^([0-9a-fA-F]{2}){28,}$/.test(text) ? "hex" : "base64"))),
);

/** A sender that is not ours. */
const unmanaged = v.pipe(
  v.strictObject({
    suite: v.optional(v.picklist(SUITES), "AES_CM_128_HMAC_SHA1_80"),
    /** Default: that of the first packet that opens. */
    ssrc: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff))),
    /** The roll-over counter at which the search begins. */
    roc: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff)), 0),
    /** Octets of MKI in each packet. */
    mki: v.optional(v.picklist([0, 4]), 0),
    /** Every so many packets carry the roll-over counter (RFC 4771). */
    rocEvery: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(0xffff))),
    keys: v.pipe(
      v.array(v.strictObject({ mki: v.optional(hexOctets(4)), key: keyText })),
      v.minLength(1),
      v.maxLength(LIVE_EPOCHS),
    ),
  }),
  v.rawTransform(({ dataset: { value }, addIssue, NEVER }) => {
    const faults = keyFaults(value);
    for (const message of faults) addIssue({ message });
    return faults.length === 0 ? toSender(value) : NEVER;
  }),
);

interface UnmanagedConfig {
  readonly suite: Suite;
  readonly ssrc?: number | undefined;
  readonly roc: number;
  readonly mki: 0 | 4;
  readonly rocEvery?: number | undefined;
  readonly keys: readonly { readonly mki?: Uint8Array | undefined; readonly key: Uint8Array }[];
}

function keyFaults({ suite, mki, keys }: UnmanagedConfig): readonly string[] {
  const { key, salt } = lengthsOf(suite);
  const faults = keys.flatMap((one, i) => [
    ...(one.key.length === key + salt
      ? []
      : [`keys.${i}.key has ${one.key.length} octets: ${suite} has ${key} of key and ${salt} of salt`]),
    ...((one.mki === undefined) === (mki === 0) ? [] : [`keys.${i}.mki must be there with \`mki: 4\`, and only then`]),
  ]);
  const identifiers = new Set(keys.map((one) => toHex(one.mki ?? new Uint8Array())));
  return mki === 4 && identifiers.size < keys.length ? [...faults, "two keys have the same mki"] : faults;
}

/** Without MKI the keys are told apart by trying: their numbers are their places. */
function toSender({ suite, ssrc, roc, mki, rocEvery, keys }: UnmanagedConfig): UnmanagedSender {
  const { key } = lengthsOf(suite);
  const numbered = keys.map((one, i) => ({
    epoch: one.mki === undefined ? i : readUint32(one.mki, 0),
    masterKey: one.key.slice(0, key),
    masterSalt: one.key.slice(key),
  }));
  return { suite, mkiLength: mki, ssrc, roc, rocEvery, keys: numbered.sort((a, b) => a.epoch - b.epoch) };
}

const channel = v.pipe(
  v.strictObject({
    id: identifier,
    group: groupText,
    port: portNumber,
    source: v.optional(ipv4Text),
    /** Instead of the common one. */
    output: v.optional(output),
    unmanaged: v.optional(unmanaged),
  }),
  v.check(
    ({ group, source }) => source !== undefined || !isSourceSpecific(group),
    "a group in 232.0.0.0/8 needs a `source` (RFC 4607)",
  ),
);

const span = (least: number, most: number) => v.pipe(v.number(), v.minValue(least), v.maxValue(most));

const fields = v.strictObject({
  ...commonEntries,
  ...brokerEntries,
  id: identifier,
  /** File with this device's keys. */
  identity: v.pipe(v.string(), v.minLength(1)),
  /** File that remembers receptions across power cuts. */
  journal: v.optional(v.pipe(v.string(), v.minLength(1)), "/var/lib/sealcast/receptions.json"),
  keyServer: v.strictObject({
    id: identifier,
    /** X25519, hexadecimal. */
    publicKey: x25519PublicKey,
    /** Ed25519: verifies rekey notices. */
    noticeKey: hexOctets(32),
  }),
  /** node: OpenSSL. noble: JavaScript, for a Node without it. */
  cipher: v.optional(v.picklist(CIPHERS), "auto"),
  /** Likewise for UDP: our addon, or node:dgram. */
  datagrams: v.optional(v.picklist(DATAGRAMS), "auto"),
  /** On which groups are joined. */
  ...interfaceEntries,
  /** Octets that the kernel may queue; it takes at most net.core.rmem_max. */
  receiveBuffer: v.optional(v.pipe(v.number(), v.integer(), v.minValue(4096), v.maxValue(1 << 28)), 4 << 20),
  channels: v.pipe(v.array(channel), v.minLength(1), v.maxLength(1024)),
  /** Channels to tune to at start. */
  tune: v.optional(v.array(identifier), []),
  output: v.optional(output, { form: "udp", port: 5004 }),
  reorder: v.optional(
    v.strictObject({
      /** Packets that may wait for an overtaken one; 0 turns it off. */
      depth: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1024)), 32),
      /** Milliseconds. */
      patience: v.optional(v.pipe(span(1, 1000), v.transform(milliseconds)), 50),
    }),
    {},
  ),
  /** Of channels that the headend signs, packets that no manifest covers. require: are dropped. flag: are counted. off: nobody looks. */
  authentication: v.optional(v.picklist(["require", "flag", "off"]), "require"),
  /** Channels viewed at once. */
  most: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64)), 8),
  /** Seconds for which the old key is kept after a switch. */
  overlap: v.optional(v.pipe(span(2, 600), v.transform(seconds)), 2),
  refresh: refreshPolicy,
  /** Seconds between a denial and the leave of the group. */
  linger: v.optional(v.pipe(span(0, 600), v.transform(seconds)), 2),
});

/** Two outputs with the same name are one output. */
export const outputName = (choice: OutputConfig): string =>
  choice.form === "udp" || choice.form === "rtp"
    ? `${choice.form} ${formatIpv4(choice.to)}:${choice.port}`
    : choice.form === "file"
      ? `file ${choice.path}`
      : choice.form;

/** Where a channel's packets go. */
export const outputOf = (config: SettopConfig, { output }: ChannelConfig): OutputConfig => output ?? config.output;

/** An output as its driver takes it. */
export const choiceOf = (output: OutputConfig): OutputChoice =>
  "to" in output ? { ...output, interfaceAddress: interfaceOf(output) } : output;

/** What it needs of this machine: interfaces of the groups it joins, and of multicast outputs. */
export const interfacesOf = (config: SettopConfig): readonly InterfaceChoice[] => [
  interfaceOf(config),
  ...config.channels.flatMap((channel) => {
    const output = outputOf(config, channel);
    return output.form === "udp" || output.form === "rtp" ? [interfaceOf(output)] : [];
  }),
];

interface CrossFault {
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** Where the interface is chosen under both names of the entry. */
function doubleInterfaces({ output, channels, ...own }: SettopConfig): readonly CrossFault[] {
  const places: readonly (readonly [path: readonly (string | number)[], entries: object])[] = [
    [[], own],
    [["output"], output],
    ...channels.map((channel, i) => [["channels", i, "output"], channel.output ?? {}] as const),
  ];
  return places.flatMap(([path, entries]) => {
    const message = interfaceFault(entries);
    return message === undefined ? [] : [{ path: [...path, "interface"], message }];
  });
}

/** What single entries cannot know of each other. */
function crossFaults(config: SettopConfig): readonly CrossFault[] {
  const faults: CrossFault[] = [...doubleInterfaces(config)];
  const ids = config.channels.map(({ id }) => id);
  for (const [i, id] of ids.entries())
    if (ids.indexOf(id) !== i) faults.push({ path: ["channels", i, "id"], message: `channel ${id} is there twice` });
  const taken = new Map<string, string>();
  for (const [i, id] of config.tune.entries()) {
    const channel = config.channels.find((c) => c.id === id);
    if (channel === undefined) faults.push({ path: ["tune", i], message: `there is no channel ${id}` });
    else faults.push(...outputFaults(config, channel, i, taken));
  }
  if (config.tune.length > config.most)
    faults.push({ path: ["tune"], message: `at most ${config.most} channels at once (see \`most\`)` });
  return faults;
}

/** Packets of two channels in one output would be of no use to anybody. */
function outputFaults(
  config: SettopConfig,
  channel: ChannelConfig,
  i: number,
  taken: Map<string, string>,
): CrossFault[] {
  const name = outputName(outputOf(config, channel));
  const other = taken.get(name);
  taken.set(name, channel.id);
  if (other === undefined || name === "null") return [];
  return [{ path: ["tune", i], message: `${channel.id} and ${other} have the same output (${name})` }];
}

/** Checked before anything opens; docs/configuration.md has every entry. */
export const settopConfig: v.GenericSchema<unknown, SettopConfig> = v.pipe(
  fields,
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const { path, message } of crossFaults(dataset.value))
      addIssue({ message, path: pathItems(dataset.value, path) });
  }),
);
type PathItems = [v.IssuePathItem, ...v.IssuePathItem[]];

/** valibot wants to know what lies at each step. */
function pathItems(root: unknown, path: readonly (string | number)[]): PathItems {
  const items: v.IssuePathItem[] = [];
  let input: unknown = root;
  for (const key of path) {
    const value: unknown = (input as Record<string | number, unknown>)[key];
    items.push({ type: "unknown", origin: "value", input, key, value });
    input = value;
  }
  return items as PathItems;
}
