// Who may publish and subscribe where: one table, for the embedded broker and for Mosquitto's acl_file.
import type { Role } from "./participant.ts";
import { LONGEST_TOPIC, noticeFilter, parseTopic, STATUS_FILTER, topicPattern } from "./topics.ts";

/** MQTT filters. `publish` filters are matched against topics, `subscribe` filters against filters. */
export interface Access {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

const NOTICES = noticeFilter("+");

/** `id` is an identifier, or Mosquitto's %u for the user name. */
export function accessOf(role: Role, id: string): Access {
  const status = topicPattern(`status/${role}/${id}`);
  const own = ownAccess(role, id);
  return { publish: [...own.publish.map(topicPattern), status], subscribe: own.subscribe };
}

function ownAccess(role: Role, id: string): Access {
  switch (role) {
    case "settop":
      return { publish: [`keys/req/+/${id}`], subscribe: [topicPattern(`keys/res/${id}`), NOTICES] };
    case "router":
      return { publish: [`router/${id}/membership`], subscribe: [topicPattern(`router/${id}/res`)] };
    case "headend":
      return { publish: [`headend/${id}/up`], subscribe: [topicPattern(`headend/${id}/down`)] };
    case "keyserver":
      return {
        publish: ["keys/res/+", "headend/+/down", "notice/+/+", `reception/req/+/${id}`],
        subscribe: [...["keys/req/#", "headend/+/up", `reception/res/${id}`].map(topicPattern), STATUS_FILTER],
      };
    case "reception":
      return {
        publish: ["reception/res/+", "router/+/res", `keys/req/+/${id}`],
        subscribe: [...["reception/req/#", "router/+/membership", `keys/res/${id}`].map(topicPattern), STATUS_FILTER],
      };
  }
}

/** One of ours, and allowed. */
export const mayPublish = (access: Access, topic: string): boolean =>
  typeof parseTopic(topic) !== "string" && access.publish.some((filter) => covers(filter, topic));

/** Only what holds no secret is kept by the broker: status and notices. */
export function mayRetain(topic: string): boolean {
  const parsed = parseTopic(topic);
  return typeof parsed !== "string" && (parsed.kind === "status" || parsed.kind === "notice");
}

/** No more than the table allows, and never a shared subscription: whoever may not have the topics may not share them either. */
export const maySubscribe = (access: Access, filter: string): boolean =>
  !filter.startsWith("$") &&
  filter.length <= LONGEST_TOPIC &&
  access.subscribe.some((allowed) => covers(allowed, filter));

/** True when every topic that `filter` matches is matched by `allowed` (MQTT 3.1.1 section 4.7). A topic is its own filter. */
export function covers(allowed: string, filter: string): boolean {
  const [wide, narrow] = [allowed.split("/"), filter.split("/")];
  for (const [level, name] of wide.entries()) {
    // 4.7.1.2: "#" stands for any number of levels, the parent included.
    if (name === "#") return true;
    const asked = narrow[level];
    if (asked === undefined || asked === "#") return false;
    if (name !== "+" && name !== asked) return false;
  }
  return wide.length === narrow.length;
}

export interface Service {
  readonly role: Role;
  readonly id: string;
}

/**
 * A Mosquitto acl_file: set-tops by pattern, so that a new one needs no new line; everybody else by name. %u, not %c: the client
 * identifier is the client's own choice unless `use_username_as_clientid true` is set. Mosquitto 2.0 grants every subscription and
 * applies the file when it delivers: a foreign filter brings nothing, but a set-top in a $share group would swallow its share.
 */
export function mosquittoAcl(services: readonly Service[]): string {
  const lines = ["# Made by sealcast from core/control/access.ts.", ...rules("pattern", accessOf("settop", "%u"))];
  for (const { role, id } of services) lines.push("", `user ${id}`, ...rules("topic", accessOf(role, id)));
  return `${lines.join("\n")}\n`;
}

const rules = (word: "pattern" | "topic", access: Access): string[] => [
  ...access.publish.map((filter) => `${word} write ${filter}`),
  ...access.subscribe.map((filter) => `${word} read ${filter}`),
];
