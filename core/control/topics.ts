// The MQTT topics of the control plane as values: written, read and subscribed to by the table of routes. Nothing else spells one.
import { fnv1a } from "../base/hash.ts";
import type { Role } from "./participant.ts";
import { RouteTable, type TopicDrop } from "./route-table.ts";
import { ROUTES, type TopicValues } from "./routes.ts";

/** The one that the protocol uses. */
export const ROUTE_TABLE = new RouteTable(ROUTES);

/** The name of a route. */
type TopicKind = keyof typeof ROUTES;

/** The names between braces. */
type NamesIn<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;
type TopicOf<Kind extends TopicKind> = { readonly kind: Kind } & Pick<
  TopicValues,
  NamesIn<(typeof ROUTES)[Kind]["path"]> & keyof TopicValues
>;

/** A topic by its route and the values of its path: { kind: "keys.req", shard: 0, id: "box-1" }. */
export type Topic = { [Kind in TopicKind]: TopicOf<Kind> }[TopicKind];

/** The topic as MQTT writes it: "sealcast/1/keys/req/0/box-1". */
export const formatTopic = (topic: Topic): string => ROUTE_TABLE.format(topic);

/** The topic that the text is, or why it is none of ours. `formatTopic` of it gives the text again. */
export const parseTopic = (text: string): Topic | TopicDrop => ROUTE_TABLE.parse(text) as Topic | TopicDrop;

/** The shard of a participant, 0 to shards - 1, the same everywhere. */
export const shardOf = (id: string, shards: number): number => fnv1a(id) % shards;

/** What one participant listens to for messages addressed to it, as MQTT filters. Notices are added channel by channel. */
export const filtersFor = (role: Role, id: string): readonly string[] => ROUTE_TABLE.subscribedAlways(role, id);

/** All cohorts' notices of one channel. */
export const noticeFilter = (channel: string): string => ROUTE_TABLE.filter("notice", { channel });

/** What all participants of a role say of themselves. */
export const presenceFilter = (role: Role): string => ROUTE_TABLE.filter("status", { role });
