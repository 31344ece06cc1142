// One message of each type with every optional field, as tests and documentation use them.
import type { Message, MessageOf, MessageType, Notice } from "./messages.ts";

const octets = (length: number, from: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (from + i) & 255);

const id = octets(16, 1);
const reception = octets(16, 101);
const stream = { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 0x5ea1ca57, payloadType: 33, rocEvery: 100 } as const;
const key = { epoch: 8, masterKey: octets(16, 32), masterSalt: octets(12, 64) };
const parameters = {
  channel: "news",
  group: 0xefff4d01,
  port: 5004,
  stream,
  interval: 3_600_000,
  overlap: 2000,
  window: 60_000,
};

export const EXAMPLES: { readonly [T in MessageType]: MessageOf<T> } = {
  "key.request": { type: "key.request", id, channel: "news", reception, reason: "rekey", have: 7 },
  "key.grant": {
    type: "key.grant",
    id,
    channel: "news",
    stream,
    epochs: [{ ...key, epoch: 7 }, key],
    current: 7,
    position: { roc: 3, seq: 65_000, age: 412 },
    refreshWithin: 600_000,
  },
  "key.denied": {
    type: "key.denied",
    id,
    channel: "news",
    reason: "not-entitled",
    text: "no package has this channel",
  },
  "key.busy": { type: "key.busy", id, channel: "news", reason: "load", retryAfter: 5000 },
  stop: { type: "stop", id, channel: "news", reception, cause: "power-lost", endedAgo: 86_000 },
  "stop.acknowledged": { type: "stop.acknowledged", id, channel: "news", reception },
  inquiry: {
    type: "inquiry",
    id,
    device: "box-1",
    deviceKey: octets(32, 7),
    channel: "news",
    reception,
    reason: "start",
    epoch: 8,
    holdsFor: 3_602_000,
  },
  permission: { type: "permission", id },
  refusal: { type: "refusal", id, reason: "limit.concurrent" },
  "stop.report": {
    type: "stop.report",
    id,
    device: "box-1",
    deviceKey: octets(32, 7),
    channel: "news",
    reception,
    cause: "stopped",
    endedAgo: 0,
  },
  "stop.report.acknowledged": { type: "stop.report.acknowledged", id, record: "written" },
  "rekey.demand": { type: "rekey.demand", id, channels: ["news", "sport"], reason: "revoked" },
  "rekey.demand.acknowledged": { type: "rekey.demand.acknowledged", id },
  "epoch.proposal": { type: "epoch.proposal", id, parameters, key, switchIn: 10_000 },
  "epoch.wanted": { type: "epoch.wanted", id, parameters, last: 7 },
  "epoch.accepted": { type: "epoch.accepted", id, channel: "news", epoch: 8 },
  "epoch.refused": { type: "epoch.refused", id, channel: "news", reason: "stale", last: 9 },
  "epoch.offer": { type: "epoch.offer", id, channel: "news", key, switchIn: 10_000 },
  "epoch.taken": { type: "epoch.taken", id, channel: "news", epoch: 8 },
  "epoch.demand": { type: "epoch.demand", id, channel: "news" },
  "stream.report": {
    type: "stream.report",
    id,
    channel: "news",
    ssrc: stream.ssrc,
    roc: 3,
    seq: 65_000,
    current: 7,
    endsIn: 1500,
  },
  "membership.report": {
    type: "membership.report",
    id,
    process: 0x1234_5678,
    started: 1_767_225_500_000,
    sequence: 12,
    dropped: 0,
    changes: [
      {
        change: "joined",
        interface: "br-lan",
        port: "lan2",
        host: 0xc0a80117,
        mac: "02:00:00:00:01:17",
        group: parameters.group,
        sources: [0x0a000001],
        at: 1_767_225_600_000,
        vlan: 20,
        certainty: "exact",
      },
    ],
    counts: [
      {
        interface: "br-lan",
        port: "lan2",
        host: 0xc0a80117,
        mac: "02:00:00:00:01:17",
        group: parameters.group,
        reason: "igmp.host-groups",
        since: 1_767_225_540_000,
        until: 1_767_225_590_000,
        joined: 0,
        left: 0,
        expired: 0,
        refused: 3,
      },
    ],
  },
  "permits.request": { type: "permits.request", id, macs: ["02:00:00:00:01:17", "02:00:00:00:01:18"] },
  permits: {
    type: "permits",
    id,
    permits: [
      { mac: "02:00:00:00:01:17", groups: [parameters.group] },
      { mac: "02:00:00:00:01:18", groups: [] },
    ],
  },
  "policy.request": {
    type: "policy.request",
    id,
    revision: 1_767_225_600_000,
    since: 1_767_225_601_000,
    remarks: ["downstreams.0.maxGroups: 9000 is more than the file's 4096, which holds"],
    refused: { revision: 1_767_225_700_000, faults: ["rules.0.interface: this router has no downstream eth9"] },
    wants: { revision: 1_767_225_800_000, part: 1 },
  },
  policy: { type: "policy", id, revision: 1_767_225_800_000, part: 1, parts: 2, text: '{"rules":[]}' },
  "policy.unchanged": { type: "policy.unchanged", id },
  "policy.changed": { type: "policy.changed", id, revision: 1_767_225_800_000 },
  "policy.noted": { type: "policy.noted", id },
  "membership.acknowledged": { type: "membership.acknowledged", id, sequence: 12 },
};

export const EXAMPLE_MESSAGES: readonly Message[] = Object.values(EXAMPLES);

export const EXAMPLE_NOTICE: Notice = {
  channel: "news",
  epoch: 8,
  issued: 1_767_225_600_000,
  switchIn: 10_000,
  window: 60_000,
};
