// Every message of the control plane: its fields, their ranges, and the patent's number for it.
// JP 2002-111649 A numbers: 73/92 key request, 76/95 grant, 74/93 inquiry, 75/94 permission, 83 and 84 stop, 85 and 86 acknowledgement,
// 91 notice. Byte strings are octets; spans are whole milliseconds; calendar times are milliseconds since 1970.
import * as v from "valibot";
import { SUITES } from "../stream/suites.ts";

/** Over any buffer, so that what ports hand out can be sent. */
const octets = v.custom<Uint8Array>((value) => value instanceof Uint8Array, "must be a byte string");
const bytes = (length: number) =>
  v.pipe(
    octets,
    v.check((b) => b.length === length, `must be ${length} octets`),
  );
const bytesBetween = (least: number, most: number) =>
  v.pipe(
    octets,
    v.check((b) => b.length >= least && b.length <= most, `must be ${least} to ${most} octets`),
  );
const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const uint16 = whole(0, 0xffff);
const uint32 = whole(0, 0xffff_ffff);
/** The longest span that a message can carry, in milliseconds: 366 days. */
export const LONGEST_SPAN = 366 * 86_400_000;
const span = whole(0, LONGEST_SPAN);
/** Epochs are numbered with 32 bits, and never anew: after this one a channel needs another id. */
export const LAST_EPOCH = 0xffff_ffff;
const unixMs = whole(0, 253_402_300_799_999);
/** Identifiers of participants and channels: they become MQTT topic levels and file names. */
export const Identifier = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/));
/** 1 to 64 of letters, digits, dot, underscore and hyphen, the first one a letter or digit. */
export const isIdentifier = (text: string): boolean => v.is(Identifier, text);
const requestId = bytes(16);
const receptionId = bytes(16);
const publicKey = bytes(32);
const ipv4 = uint32;
/** See RecordedAddress; a server of before knows the number only, and refuses what a router of IPv6 tells. */
const address = v.union([ipv4, v.pipe(v.string(), v.regex(/^[0-9a-f]{4}(:[0-9a-f]{4}){7}$/))]);

/** Why a device may not receive; `DENIALS` says it in words that a person understands. */
export const DENIALS = {
  "device.unknown": "this device is not registered",
  "device.revoked": "this device has been revoked",
  "subscriber.inactive": "the subscription of this device is suspended",
  "channel.unknown": "there is no such channel",
  "not-entitled": "the subscription does not include this channel",
  "limit.concurrent": "the subscription's limit of channels watched at once is reached",
  "reception.ended": "this reception has already ended; begin a new one",
} as const;
/** A reason for which a key is refused; it stays the same in every version of the protocol. */
export type Denial = keyof typeof DENIALS;
const denial = v.picklist(Object.keys(DENIALS) as [Denial, ...Denial[]]);

/** The parameters of a channel that a receiver needs and that stay while it lives. */
const streamParameters = v.strictObject({
  suite: v.picklist(SUITES),
  /** Octets of MKI in each packet: 4, or 0 for players that know none. */
  mkiLength: v.picklist([0, 4]),
  ssrc: uint32,
  payloadType: whole(0, 127),
  /** Ed25519: whose manifests cover the packets (core/stream/manifest.ts); absent where the headend signs none. */
  signer: v.optional(publicKey),
  /** Every so many packets carry the ROC (RFC 4771); absent for none. */
  rocEvery: v.optional(whole(1, 0xffff)),
});

/** Where the stream is: the extended sequence number of the last packet sent is roc * 65536 + seq; `age` ms ago. */
const position = v.strictObject({ roc: uint32, seq: uint16, age: span });

/** Where the first packet will be, from a headend that starts: the first grants go out before its first report can come. */
const startPosition = v.strictObject({ roc: uint32, seq: uint16 });

const epochKey = v.strictObject({ epoch: uint32, masterKey: bytesBetween(16, 32), masterSalt: bytesBetween(12, 14) });

/** 73 (reason "start"), 92 (reason "rekey"); "refresh" renews before `refreshWithin` runs out, "resync" asks for the position again. */
const keyRequest = v.strictObject({
  type: v.literal("key.request"),
  id: requestId,
  channel: Identifier,
  reception: receptionId,
  reason: v.picklist(["start", "rekey", "refresh", "resync"]),
  /** The newest epoch the device holds. */
  have: v.optional(uint32),
});

/** 76, 95: the live epochs, oldest first (the one in use, and the next when it is already announced). */
const keyGrant = v.strictObject({
  type: v.literal("key.grant"),
  id: requestId,
  channel: Identifier,
  stream: streamParameters,
  epochs: v.pipe(v.array(epochKey), v.minLength(1), v.maxLength(3)),
  /** The epoch in use at the headend as far as the key server knows. */
  current: uint32,
  /** Absent until the headend has reported it. */
  position: v.optional(position),
  /** Ask again within this span even if no notice comes: the request is also the sign of life of the reception. */
  refreshWithin: span,
});

const keyDenied = v.strictObject({
  type: v.literal("key.denied"),
  id: requestId,
  channel: Identifier,
  reason: denial,
  text: v.pipe(v.string(), v.maxLength(200)),
});

/** Not now: the channel has no epoch yet, the reception server does not answer, or the load is too high. */
const keyBusy = v.strictObject({
  type: v.literal("key.busy"),
  id: requestId,
  channel: Identifier,
  reason: v.picklist(["no-epoch", "reception-server", "load"]),
  retryAfter: span,
});

/** 83. "power-lost": the box found the reception in its journal when it started. */
const stop = v.strictObject({
  type: v.literal("stop"),
  id: requestId,
  channel: Identifier,
  reception: receptionId,
  cause: v.picklist(["stopped", "power-lost"]),
  /** How long ago the reception ended, as the device counts; absent when it does not know. */
  endedAgo: v.optional(span),
});

/** 86. */
const stopAcknowledgement = v.strictObject({
  type: v.literal("stop.acknowledged"),
  id: requestId,
  channel: Identifier,
  reception: receptionId,
});

/** 74, 93. `device` has proved `deviceKey` to the key server; the reception server knows whether the two belong together. */
const inquiry = v.strictObject({
  type: v.literal("inquiry"),
  id: requestId,
  device: Identifier,
  deviceKey: publicKey,
  channel: Identifier,
  reception: receptionId,
  reason: v.picklist(["start", "rekey", "refresh", "resync"]),
  /** The newest epoch that the answer will carry. */
  epoch: uint32,
  /** How long the keys of the answer will be in use: when no further inquiry comes, the device is known to have held a key until then. */
  holdsFor: span,
});

/** 75, 94. */
const permission = v.strictObject({ type: v.literal("permission"), id: requestId });

const refusal = v.strictObject({ type: v.literal("refusal"), id: requestId, reason: denial });

/** 84. */
const stopReport = v.strictObject({
  type: v.literal("stop.report"),
  id: requestId,
  device: Identifier,
  deviceKey: publicKey,
  channel: Identifier,
  reception: receptionId,
  cause: v.picklist(["stopped", "power-lost"]),
  endedAgo: v.optional(span),
});

/** 85. `record` tells whether this stop, or an earlier one, left a usage record; "none" when the reception never was. */
const stopReportAcknowledgement = v.strictObject({
  type: v.literal("stop.report.acknowledged"),
  id: requestId,
  record: v.picklist(["written", "earlier", "none"]),
});

/** Reception server to key server: change the keys of these channels now, a device has lost its right. */
const rekeyDemand = v.strictObject({
  type: v.literal("rekey.demand"),
  id: requestId,
  channels: v.pipe(v.array(Identifier), v.minLength(1), v.maxLength(256)),
  reason: v.picklist(["revoked", "operator"]),
});

const rekeyDemandAcknowledgement = v.strictObject({ type: v.literal("rekey.demand.acknowledged"), id: requestId });

/** What the headend says of a channel whenever it proposes or asks for an epoch. */
const channelParameters = v.strictObject({
  channel: Identifier,
  group: ipv4,
  port: uint16,
  stream: streamParameters,
  /** Key interval and the overlap for which the old key is kept after the switch. */
  interval: span,
  overlap: span,
  /** Set-tops spread their requests over this span after a notice. */
  window: span,
});

/** Headend to key server, claim 3: take this key as epoch `epoch`; I switch to it `switchIn` from now once you have acknowledged. */
const epochProposal = v.strictObject({
  type: v.literal("epoch.proposal"),
  id: requestId,
  parameters: channelParameters,
  key: epochKey,
  switchIn: span,
  position: v.optional(startPosition),
});

/** Headend to key server, claim 7: make the epochs of this channel from now on (sent at start, repeated until an offer comes). */
const epochWanted = v.strictObject({
  type: v.literal("epoch.wanted"),
  id: requestId,
  parameters: channelParameters,
  /** The newest epoch the headend has seen in use. */
  last: v.optional(uint32),
  position: v.optional(startPosition),
});

/** Key server to headend: the proposed or taken epoch is on disk and the notice is out. Without it the headend does not switch. */
const epochAccepted = v.strictObject({
  type: v.literal("epoch.accepted"),
  id: requestId,
  channel: Identifier,
  epoch: uint32,
});

/** Key server to headend: the epoch must be above `last`, or the headend may not serve this channel. */
const epochRefused = v.strictObject({
  type: v.literal("epoch.refused"),
  id: requestId,
  channel: Identifier,
  reason: v.picklist(["stale", "not-authorised"]),
  last: uint32,
});

/** Key server to headend, claim 7: a renewed key, already on disk; switch `switchIn` after receipt. */
const epochOffer = v.strictObject({
  type: v.literal("epoch.offer"),
  id: requestId,
  channel: Identifier,
  key: epochKey,
  switchIn: span,
});

/** Headend to key server: the offer is taken; without it the key server sends no notice. Repeated until accepted. */
const epochTaken = v.strictObject({
  type: v.literal("epoch.taken"),
  id: requestId,
  channel: Identifier,
  epoch: uint32,
});

/** Key server to headend, claim 3 channels: propose a new epoch now. Repeated until the proposal comes. */
const epochDemand = v.strictObject({ type: v.literal("epoch.demand"), id: requestId, channel: Identifier });

/** Headend to key server, every second, not answered. `current` is the epoch in use. */
const streamReport = v.strictObject({
  type: v.literal("stream.report"),
  id: requestId,
  channel: Identifier,
  ssrc: uint32,
  roc: uint32,
  seq: uint16,
  current: uint32,
  /** How long until the planned end of the current epoch; 0 when it is overdue. */
  endsIn: span,
});

const place = v.pipe(v.string(), v.maxLength(64));
const mac = v.pipe(v.string(), v.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/));

/** See `MembershipChange`. */
export const MEMBERSHIP_CHANGE = v.strictObject({
  change: v.picklist(["joined", "left", "expired"]),
  interface: place,
  /** The bridge port that heard it, when there is a tap on it. */
  port: v.optional(place),
  host: address,
  mac: v.optional(mac),
  /** The VLAN of its frames: their tag, or what the bridge gives those of that port. */
  vlan: v.optional(whole(1, 4094)),
  group: address,
  sources: v.pipe(v.array(address), v.maxLength(64)),
  at: unixMs,
  /**
   * exact: the host speaks for itself (IGMPv3). shared: it speaks v1 or v2, is silent when it hears another report the group, and may be
   * one of several (RFC 2236 section 3).
   */
  certainty: v.optional(v.picklist(["exact", "shared"])),
});

/** Counts of one message, so that it stays within its size. */
export const MOST_COUNTS = 32;

/** See `MembershipCount`. */
export const MEMBERSHIP_COUNT = v.strictObject({
  interface: v.optional(place),
  port: v.optional(place),
  host: v.optional(address),
  mac: v.optional(mac),
  group: v.optional(address),
  /** Why joins were refused, as the router's drops are named. */
  reason: v.optional(place),
  /** Of the first and the last of what is counted. */
  since: unixMs,
  until: unixMs,
  joined: uint32,
  left: uint32,
  expired: uint32,
  refused: uint32,
});

/** Router to reception server: who joined and left, in order, with a rising sequence number so that a repeat is seen. */
const membershipReport = v.strictObject({
  type: v.literal("membership.report"),
  id: requestId,
  /** Random, chosen at each start of the router's process: another one knows nothing of what the one before it had told. */
  process: v.optional(uint32),
  /** In the first report of a process: when it began, by the router's calendar. Whoever was a member before it has been one until then. */
  started: v.optional(unixMs),
  sequence: whole(0, Number.MAX_SAFE_INTEGER),
  /** Changes since the last report of which the router can give no more than a number, because it could not keep them. */
  dropped: uint32,
  changes: v.pipe(v.array(MEMBERSHIP_CHANGE), v.maxLength(128)),
  /** Earlier than the changes. */
  counts: v.optional(v.pipe(v.array(MEMBERSHIP_COUNT), v.maxLength(MOST_COUNTS))),
});

const membershipAcknowledgement = v.strictObject({
  type: v.literal("membership.acknowledged"),
  id: requestId,
  sequence: whole(0, Number.MAX_SAFE_INTEGER),
});

const macAddress = v.pipe(v.string(), v.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/));
/** Groups in one answer, so that it stays within the size of a message. */
export const MOST_PERMITTED_GROUPS = 2048;

/** Router to reception server: what may the devices with these cards receive? */
const permitsRequest = v.strictObject({
  type: v.literal("permits.request"),
  id: requestId,
  macs: v.pipe(v.array(macAddress), v.minLength(1), v.maxLength(8)),
});

/** Each card's groups, none for a card of no device. Of the cards asked about one at least; the others are to be asked about anew. */
const permits = v.strictObject({
  type: v.literal("permits"),
  id: requestId,
  permits: v.pipe(
    v.array(v.strictObject({ mac: macAddress, groups: v.pipe(v.array(ipv4), v.maxLength(MOST_PERMITTED_GROUPS)) })),
    v.minLength(1),
    v.maxLength(8),
    v.check(
      (all) => all.reduce((sum, { groups }) => sum + groups.length, 0) <= MOST_PERMITTED_GROUPS,
      "too many groups for one answer",
    ),
  ),
});

/** Characters of a policy in one message, and of a whole one: its JSON without blanks, what is not ASCII escaped. */
export const POLICY_PART = 12 * 1024;
export const POLICY_LIMIT = 256 * 1024;
const MOST_PARTS = Math.ceil(POLICY_LIMIT / POLICY_PART);

/** A later one is higher, whatever it says; the first is 1. */
const revision = whole(1, Number.MAX_SAFE_INTEGER);
const sentences = v.pipe(v.array(v.pipe(v.string(), v.maxLength(200))), v.maxLength(16));

/** See `PolicyState`. */
const POLICY_STATE = v.strictObject({
  /** In force; 0: none of control's. */
  revision: whole(0, Number.MAX_SAFE_INTEGER),
  /** When it was taken, by the router's calendar. */
  since: v.optional(unixMs),
  /** What of it is otherwise than it says. */
  remarks: v.optional(sentences),
  /** The newest, where that one cannot be in force, and why. */
  refused: v.optional(v.strictObject({ revision, faults: sentences })),
});

/** Router to reception server, at each connection and after each change: this policy is in force; is there a newer one? */
const policyRequest = v.strictObject({
  type: v.literal("policy.request"),
  id: requestId,
  ...POLICY_STATE.entries,
  /** The part that comes next of a newer one. */
  wants: v.optional(v.strictObject({ revision, part: whole(1, MOST_PARTS - 1) })),
});

/**
 * A part of a newer one. `text`: entries of the router's configuration as its file would have them, which only the router reads, so that one
 * of another version can say in words what it does not know. "{}": none, the file's are in force.
 */
const policy = v.pipe(
  v.strictObject({
    type: v.literal("policy"),
    id: requestId,
    revision,
    part: whole(0, MOST_PARTS - 1),
    parts: whole(1, MOST_PARTS),
    text: v.pipe(v.string(), v.minLength(1), v.maxLength(POLICY_PART), v.regex(/^[ -~]*$/, "must be ASCII")),
  }),
  v.check(({ part, parts }) => part < parts, "the part is none of these parts"),
);

/** There is none that is newer than what the router has told. */
const policyUnchanged = v.strictObject({ type: v.literal("policy.unchanged"), id: requestId });

/** Reception server to router: there is a newer one, ask for it. */
const policyChanged = v.strictObject({ type: v.literal("policy.changed"), id: requestId, revision });

const policyNoted = v.strictObject({ type: v.literal("policy.noted"), id: requestId });

/** The schema of each message, by its type. */
export const MESSAGES = {
  "key.request": keyRequest,
  "key.grant": keyGrant,
  "key.denied": keyDenied,
  "key.busy": keyBusy,
  stop,
  "stop.acknowledged": stopAcknowledgement,
  inquiry,
  permission,
  refusal,
  "stop.report": stopReport,
  "stop.report.acknowledged": stopReportAcknowledgement,
  "rekey.demand": rekeyDemand,
  "rekey.demand.acknowledged": rekeyDemandAcknowledgement,
  "epoch.proposal": epochProposal,
  "epoch.wanted": epochWanted,
  "epoch.accepted": epochAccepted,
  "epoch.refused": epochRefused,
  "epoch.offer": epochOffer,
  "epoch.taken": epochTaken,
  "epoch.demand": epochDemand,
  "stream.report": streamReport,
  "membership.report": membershipReport,
  "membership.acknowledged": membershipAcknowledgement,
  "permits.request": permitsRequest,
  permits,
  "policy.request": policyRequest,
  policy,
  "policy.unchanged": policyUnchanged,
  "policy.changed": policyChanged,
  "policy.noted": policyNoted,
} as const;

/** As it stands in a message's `type`. */
export type MessageType = keyof typeof MESSAGES;
/** The message of this type, as its schema has checked it. */
export type MessageOf<T extends MessageType> = v.InferOutput<(typeof MESSAGES)[T]>;
/** Any message that travels in an envelope. */
export type Message = { [T in MessageType]: MessageOf<T> }[MessageType];

/** Suite, octets of MKI, SSRC and RTP payload type of a channel. */
export type StreamParameters = v.InferOutput<typeof streamParameters>;
/** What the headend says of a channel: group, port, stream, and the times of its keys in ms. */
export type ChannelParameters = v.InferOutput<typeof channelParameters>;
/** SRTP master key (16 to 32 octets) and salt (12 or 14, RFC 3711 and 7714) of one epoch. A secret: never logged. */
export type EpochKey = v.InferOutput<typeof epochKey>;
/** Where the stream is: roc * 65536 + seq, `age` ms ago. */
export type Position = v.InferOutput<typeof position>;
/** One host that has joined or left a group behind a router; `at` in Unix ms by the router's calendar. */
export type MembershipChange = v.InferOutput<typeof MEMBERSHIP_CHANGE>;
/**
 * What a router counted instead of telling it one by one: joins that it refused, and visits that both began and ended while nobody took
 * its reports. Without a host or group: of several. Times in Unix ms by the router's calendar.
 */
export type MembershipCount = v.InferOutput<typeof MEMBERSHIP_COUNT>;

/** What a router says of the policy that control gives it; sentences for a person. */
export type PolicyState = v.InferOutput<typeof POLICY_STATE>;

/** 91: signed by the key server, retained, no secret in it. */
export const NOTICE = v.strictObject({
  channel: Identifier,
  epoch: uint32,
  /** The key server's calendar when it signed. */
  issued: unixMs,
  /** From `issued` until the sender switches. */
  switchIn: span,
  window: span,
});
/** See `NOTICE`. */
export type Notice = v.InferOutput<typeof NOTICE>;

/** Which answers a request may get; the empty list marks what is not answered. */
export const ANSWERS = {
  "key.request": ["key.grant", "key.denied", "key.busy"],
  stop: ["stop.acknowledged"],
  inquiry: ["permission", "refusal"],
  "stop.report": ["stop.report.acknowledged"],
  "rekey.demand": ["rekey.demand.acknowledged"],
  "epoch.proposal": ["epoch.accepted", "epoch.refused"],
  "epoch.wanted": ["epoch.offer", "epoch.refused"],
  "epoch.offer": ["epoch.taken"],
  "epoch.taken": ["epoch.accepted"],
  "epoch.demand": ["epoch.proposal"],
  "stream.report": [],
  "membership.report": ["membership.acknowledged"],
  "permits.request": ["permits"],
  "policy.request": ["policy", "policy.unchanged"],
  "policy.changed": ["policy.noted"],
} as const satisfies Partial<Record<MessageType, readonly MessageType[]>>;

/** The patent's number of a message, as logs and reports count it; undefined for what the patent does not name. */
export function patentNumber(message: Message): number | undefined {
  if (message.type === "key.request") return isBeginning(message.reason) ? 73 : 92;
  if (message.type === "inquiry") return isBeginning(message.reason) ? 74 : 93;
  return PATENT_NUMBERS[message.type];
}

/** The others follow a viewing that goes on. */
const isBeginning = (reason: MessageOf<"key.request" | "inquiry">["reason"]): boolean =>
  reason === "start" || reason === "resync";

/** Of messages that have one number whatever they say. */
const PATENT_NUMBERS: Partial<Record<MessageType, number>> = {
  stop: 83,
  "stop.report": 84,
  "stop.report.acknowledged": 85,
  "stop.acknowledged": 86,
};

/** The number of an answer follows its request: 75 or 94 for a permission, 76 or 95 for a grant. */
export function patentNumberOfAnswer(request: Message, answer: Message): number | undefined {
  if (answer.type === "permission") return patentNumber(request) === 74 ? 75 : 94;
  if (answer.type === "key.grant") return patentNumber(request) === 73 ? 76 : 95;
  return patentNumber(answer);
}
