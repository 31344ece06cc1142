// The MQTT topics of the control plane, built and parsed in one place. Nothing else spells one.
import * as v from "valibot";
import { Identifier } from "./messages.ts";
import { isRole, type Role } from "./participant.ts";

/** Version 1 of the protocol; another version lives beside it under another root. */
const ROOT = "sealcast/1";

/** Topics that carry requests to a pool of servers: `id` is who asks. */
export type RequestTopicKind = "keys.req" | "reception.req";
/** Topics of one participant: `id` is the set-top, service, headend or router that owns it. */
export type OwnTopicKind =
  | "keys.res"
  | "reception.res"
  | "headend.up"
  | "headend.down"
  | "router.membership"
  | "router.res";

export type Topic =
  | { readonly kind: RequestTopicKind; readonly shard: number; readonly id: string }
  | { readonly kind: OwnTopicKind; readonly id: string }
  | { readonly kind: "notice"; readonly channel: string; readonly cohort: number }
  | { readonly kind: "status"; readonly role: Role; readonly id: string };

/** "topic.unknown": not one of ours. "topic.identifier": one of ours with an id, shard or cohort that cannot be. */
export type TopicDrop = "topic.unknown" | "topic.identifier";

/** A topic must not be longer than this to be looked at: the longest of ours has 2 x 64 octets of ids. */
export const LONGEST_TOPIC = 200;

/** 1 to 64 of letters, digits, dot, underscore and hyphen, the first one a letter or digit. */
export const isIdentifier = (text: string): boolean => v.is(Identifier, text);

export function formatTopic(topic: Topic): string {
  switch (topic.kind) {
    case "keys.req":
    case "reception.req":
      return `${ROOT}/${topic.kind.replace(".", "/")}/${topic.shard}/${topic.id}`;
    case "keys.res":
    case "reception.res":
      return `${ROOT}/${topic.kind.replace(".", "/")}/${topic.id}`;
    case "headend.up":
      return `${ROOT}/headend/${topic.id}/up`;
    case "headend.down":
      return `${ROOT}/headend/${topic.id}/down`;
    case "router.membership":
      return `${ROOT}/router/${topic.id}/membership`;
    case "router.res":
      return `${ROOT}/router/${topic.id}/res`;
    case "notice":
      return `${ROOT}/notice/${topic.channel}/${topic.cohort}`;
    case "status":
      return `${ROOT}/status/${topic.role}/${topic.id}`;
  }
}

export function parseTopic(text: string): Topic | TopicDrop {
  if (text.length > LONGEST_TOPIC || !text.startsWith(`${ROOT}/`)) return "topic.unknown";
  const [family, first, second, third, ...rest] = text.slice(ROOT.length + 1).split("/");
  if (family === undefined || first === undefined || second === undefined || rest.length > 0) return "topic.unknown";
  const topic = third === undefined ? parseShort(family, first, second) : parseLong(family, first, second, third);
  if (typeof topic === "string") return topic;
  return hasSoundIds(topic) ? topic : "topic.identifier";
}

/** family/{first}/{second} */
function parseShort(family: string, first: string, second: string): Topic | TopicDrop {
  switch (`${family}/${first}`) {
    case "keys/res":
      return { kind: "keys.res", id: second };
    case "reception/res":
      return { kind: "reception.res", id: second };
  }
  if (family === "notice") return { kind: "notice", channel: first, cohort: parseSmall(second) };
  if (family === "status") return isRole(first) ? { kind: "status", role: first, id: second } : "topic.unknown";
  const kind = `${family}.${second}`;
  switch (kind) {
    case "headend.up":
    case "headend.down":
    case "router.membership":
    case "router.res":
      return { kind, id: first };
    default:
      return "topic.unknown";
  }
}

/** family/req/{shard}/{id} */
function parseLong(family: string, verb: string, shard: string, id: string): Topic | TopicDrop {
  if (verb !== "req") return "topic.unknown";
  if (family === "keys") return { kind: "keys.req", shard: parseSmall(shard), id };
  if (family === "reception") return { kind: "reception.req", shard: parseSmall(shard), id };
  return "topic.unknown";
}

/** 0 to 9999 in plain decimal; NaN for anything else. */
const parseSmall = (text: string): number => (/^(0|[1-9]\d{0,3})$/.test(text) ? Number(text) : Number.NaN);

function hasSoundIds(topic: Topic): boolean {
  switch (topic.kind) {
    case "keys.req":
    case "reception.req":
      return !Number.isNaN(topic.shard) && isIdentifier(topic.id);
    case "notice":
      return !Number.isNaN(topic.cohort) && isIdentifier(topic.channel);
    default:
      return isIdentifier(topic.id);
  }
}

/** The shard of a participant, 0 to shards - 1, the same everywhere: FNV-1a (32 bits) of its id. */
export function shardOf(id: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193) >>> 0;
  return hash % shards;
}

/** What one participant listens to for messages addressed to it, as MQTT filters. Notices are added channel by channel. */
export function filtersFor(role: Role, id: string): readonly string[] {
  switch (role) {
    case "settop":
      return [`${ROOT}/keys/res/${id}`];
    case "router":
      return [`${ROOT}/router/${id}/res`];
    case "headend":
      return [`${ROOT}/headend/${id}/down`];
    case "keyserver":
      return [`${ROOT}/keys/req/#`, `${ROOT}/headend/+/up`, `${ROOT}/reception/res/${id}`];
    case "reception":
      return [`${ROOT}/reception/req/#`, `${ROOT}/router/+/membership`, `${ROOT}/keys/res/${id}`];
  }
}

/** All cohorts' notices of one channel. */
export const noticeFilter = (channel: string): string => `${ROOT}/notice/${channel}/+`;

/** Everybody's status, for whoever shows it. */
export const STATUS_FILTER = `${ROOT}/status/#`;

/** Filters with the participant's id left as `id`, for the access table. */
export const topicPattern = (path: string): string => `${ROOT}/${path}`;
