// Who speaks and who listens on which topic, and where answers go. This table is the only place that knows a topic: what topics look
// like, who subscribes to what, who may, and the brokers' rules are derived from it (route-table.ts, access.ts, mailbox.ts).
import { ROLES, type Role } from "./participant.ts";

/** What may stand between braces in a path. */
export interface TopicValues {
  /** The participant whom the topic belongs to. */
  readonly id: string;
  /** 0 to 9999: the part of a pool of servers that serves it. */
  readonly shard: number;
  readonly channel: string;
  /** 0 to 9999: the part of a channel's devices that it is for. */
  readonly cohort: number;
  readonly role: Role;
}

/** What a topic with sealed envelopes carries. A topic without them is open to read, and the only kind that a broker may retain. */
export interface SealedRoute {
  /** True when its speakers begin on it; false when it carries nothing but answers. */
  readonly asks: boolean;
  /** The route on which a message is answered, under the same id. */
  readonly answers: string;
  /** Whoever speaks without being known beforehand is taken for one of these; without it, is refused. */
  readonly newcomers?: Role;
}

/** One kind of topic. */
export interface Route {
  /** Levels below the root. */
  readonly path: string;
  readonly speakers: readonly Role[];
  readonly listeners: readonly Role[];
  /** Whose `{id}` stands in the path, if anybody's: that side has its own topic, the other side has all of them. */
  readonly owner: "speaker" | "listener" | "nobody";
  /** When a listener subscribes: from its start on, channel by channel as it needs them, or when somebody wants to see it. */
  readonly subscribed: "always" | "by channel" | "on demand";
  readonly sealed?: SealedRoute;
}

/** Routes by the name that code calls them. */
export type Routes = Readonly<Record<string, Route>>;

/** Where several routes lead from one role to another, the first that asks is taken. The numbers are the patent's. */
export const ROUTES = {
  // 73, 83, 92; and the reception server's demand to change keys.
  "keys.req": {
    path: "keys/req/{shard}/{id}",
    speakers: ["settop", "reception"],
    listeners: ["keyserver"],
    owner: "speaker",
    subscribed: "always",
    sealed: { asks: true, answers: "keys.res", newcomers: "settop" },
  },
  // 76, 86, 95.
  "keys.res": {
    path: "keys/res/{id}",
    speakers: ["keyserver"],
    listeners: ["settop", "reception"],
    owner: "listener",
    subscribed: "always",
    sealed: { asks: false, answers: "keys.req" },
  },
  // Epochs proposed and wanted, the stream's position; answers to the key server.
  "headend.up": {
    path: "headend/{id}/up",
    speakers: ["headend"],
    listeners: ["keyserver"],
    owner: "speaker",
    subscribed: "always",
    sealed: { asks: true, answers: "headend.down", newcomers: "headend" },
  },
  // Epochs offered and demanded; answers to the headend.
  "headend.down": {
    path: "headend/{id}/down",
    speakers: ["keyserver"],
    listeners: ["headend"],
    owner: "listener",
    subscribed: "always",
    sealed: { asks: true, answers: "headend.up" },
  },
  // 91: signed, no secret in it.
  notice: {
    path: "notice/{channel}/{cohort}",
    speakers: ["keyserver"],
    listeners: ["settop"],
    owner: "nobody",
    subscribed: "by channel",
  },
  // 74, 84, 93. Only a key server that the reception server knows may ask.
  "reception.req": {
    path: "reception/req/{shard}/{id}",
    speakers: ["keyserver"],
    listeners: ["reception"],
    owner: "speaker",
    subscribed: "always",
    sealed: { asks: true, answers: "reception.res" },
  },
  // 75, 85, 94.
  "reception.res": {
    path: "reception/res/{id}",
    speakers: ["reception"],
    listeners: ["keyserver"],
    owner: "listener",
    subscribed: "always",
    sealed: { asks: false, answers: "reception.req" },
  },
  // Who joined and left; what cards may receive, and which policy is in force.
  "router.membership": {
    path: "router/{id}/membership",
    speakers: ["router"],
    listeners: ["reception"],
    owner: "speaker",
    subscribed: "always",
    sealed: { asks: true, answers: "router.res", newcomers: "router" },
  },
  // Answers; and that there is a newer policy for the router.
  "router.res": {
    path: "router/{id}/res",
    speakers: ["reception"],
    listeners: ["router"],
    owner: "listener",
    subscribed: "always",
    sealed: { asks: true, answers: "router.membership" },
  },
  // "up" with the alarms that are raised, "stopped", or the last will "lost".
  status: {
    path: "status/{role}/{id}",
    speakers: ROLES,
    listeners: ["keyserver", "reception"],
    owner: "speaker",
    subscribed: "on demand",
  },
} as const satisfies Routes;
