// Who may publish and subscribe where: what the routes say, for the embedded broker and for Mosquitto's acl_file.
import type { Role } from "./participant.ts";
import { LONGEST_TOPIC } from "./route-table.ts";
import { parseTopic, ROUTE_TABLE } from "./topics.ts";

/** MQTT filters. `publish` filters are matched against topics, `subscribe` filters against filters. */
export interface Access {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** `id` is an identifier, or Mosquitto's %u for the user name. */
export const accessOf = (role: Role, id: string, routes = ROUTE_TABLE): Access => ({
  publish: routes.published(role, id),
  subscribe: [...routes.subscribedAlways(role, id), ...routes.subscribedLater(role, id)],
});

/** One of ours, and allowed. */
export const mayPublish = (access: Access, topic: string): boolean =>
  typeof parseTopic(topic) !== "string" && access.publish.some((filter) => covers(filter, topic));

/** Only what holds no secret is kept by the broker: status and notices. */
export function mayRetain(topic: string): boolean {
  const parsed = parseTopic(topic);
  return typeof parsed !== "string" && ROUTE_TABLE.route(parsed.kind).sealed === undefined;
}

/** No more than the routes allow, and never a shared subscription: whoever may not have the topics may not share them either. */
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

/** A participant that has an account of its own at the broker, under its id. */
export interface Account {
  readonly role: Role;
  readonly id: string;
}

/**
 * A Mosquitto acl_file: set-tops by pattern, so that a new one needs no new line; everybody else by name. %u, not %c: the client
 * identifier is the client's own choice unless `use_username_as_clientid true` is set. Mosquitto 2.0 grants every subscription and
 * applies the file when it delivers: a foreign filter brings nothing, but a set-top in a $share group would swallow its share.
 */
export function mosquittoAcl(services: readonly Account[], routes = ROUTE_TABLE): string {
  const settop = rules("pattern", accessOf("settop", "%u", routes));
  const lines = ["# Made by sealcast from core/control/access.ts.", ...settop];
  for (const { role, id } of services) lines.push("", `user ${id}`, ...rules("topic", accessOf(role, id, routes)));
  return `${lines.join("\n")}\n`;
}

const rules = (word: "pattern" | "topic", access: Access): string[] => [
  ...access.publish.map((filter) => `${word} write ${filter}`),
  ...access.subscribe.map((filter) => `${word} read ${filter}`),
];
