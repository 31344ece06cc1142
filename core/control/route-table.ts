// What follows from a table of routes: how topics are written and read, what each role subscribes to, and what it may.
import { isIdentifier } from "./messages.ts";
import { isRole, type Role } from "./participant.ts";
import type { Route, Routes, SealedRoute, TopicValues } from "./routes.ts";

/** Version 1 of the protocol; another version lives beside it under another root. */
const ROOT = "sealcast/1/";

/** A topic must not be longer than this to be looked at: the longest of ours has 2 x 64 octets of ids. */
export const LONGEST_TOPIC = 200;

/** "topic.unknown": not one of ours. "topic.identifier": one of ours with an id, shard or cohort that cannot be. */
export type TopicDrop = "topic.unknown" | "topic.identifier";

/** A topic of any table: its route, and the values of that route's path. */
type AnyTopic = { readonly kind: string } & Partial<TopicValues>;

const identifier = (text: string): string | undefined => (isIdentifier(text) ? text : undefined);
/** 0 to 9999 in plain decimal. */
const small = (text: string): number | undefined => (/^(0|[1-9]\d{0,3})$/.test(text) ? Number(text) : undefined);

const READERS: { readonly [Name in keyof TopicValues]: (text: string) => TopicValues[Name] | undefined } = {
  id: identifier,
  shard: small,
  channel: identifier,
  cohort: small,
  role: (text) => (isRole(text) ? text : undefined),
};

/** One level of a path: a word of ours, or the name of a value. */
type Level = { readonly word: string } | { readonly value: keyof TopicValues };

interface Entry {
  readonly kind: string;
  readonly route: Route;
  readonly levels: readonly Level[];
}

/** A table of routes, read once: nothing in it changes. */
export class RouteTable {
  readonly #entries: readonly Entry[];
  readonly #byKind: ReadonlyMap<string, Entry>;

  /** Throws RangeError for a path with a value that no topic has, and for a sealed route that names nobody or has no way back. */
  constructor(routes: Routes) {
    this.#entries = Object.entries(routes).map(([kind, route]) => ({ kind, route, levels: levelsOf(route.path) }));
    this.#byKind = new Map(this.#entries.map((entry) => [entry.kind, entry]));
    for (const { kind, route } of this.#entries) if (route.sealed !== undefined) checkSealed(kind, route, routes);
  }

  /** The route of this kind. Throws RangeError when the table has none. */
  route(kind: string): Route {
    return this.#entry(kind).route;
  }

  /** Throws RangeError when the topic lacks a value of its path. */
  format(topic: AnyTopic): string {
    const words = this.#entry(topic.kind).levels.map((level) => {
      const word = wordOf(level, topic);
      if (word === undefined) throw new RangeError(`an incomplete ${topic.kind}`);
      return word;
    });
    return ROOT + words.join("/");
  }

  parse(text: string): AnyTopic | TopicDrop {
    if (text.length > LONGEST_TOPIC || !text.startsWith(ROOT)) return "topic.unknown";
    const words = text.slice(ROOT.length).split("/");
    const entry = this.#entries.find(({ levels }) => fits(levels, words));
    return entry === undefined ? "topic.unknown" : read(entry, words);
  }

  /** The MQTT filter of a route's topics that have these values, whatever the others are. */
  filter(kind: string, values: Partial<TopicValues>): string {
    return (
      ROOT +
      this.#entry(kind)
        .levels.map((level) => wordOf(level, values) ?? "+")
        .join("/")
    );
  }

  /** The sealed route on which `from` begins to talk to `to`; undefined when it never does. */
  opening(from: Role, to: Role): (SealedRoute & { readonly kind: string; readonly owner: Route["owner"] }) | undefined {
    for (const { kind, route } of this.#entries)
      if (route.sealed?.asks === true && route.speakers.includes(from) && route.listeners.includes(to))
        return { ...route.sealed, kind, owner: route.owner };
    return undefined;
  }

  /** What a participant subscribes to from its start on: all topics that it serves, then its own. */
  subscribedAlways(role: Role, id: string): readonly string[] {
    return this.#subscriptions(role, id, (route) => route.subscribed === "always");
  }

  /** What a participant may subscribe to besides. */
  subscribedLater(role: Role, id: string): readonly string[] {
    return this.#subscriptions(role, id, (route) => route.subscribed !== "always");
  }

  /** What a participant publishes on: all topics of those whom it serves, then its own. */
  published(role: Role, id: string): readonly string[] {
    const spoken = this.#entries.filter(({ route }) => route.speakers.includes(role));
    return ownLast(spoken, "speaker").map(({ kind, route }) =>
      this.filter(kind, route.owner === "speaker" ? { role, id } : {}),
    );
  }

  #subscriptions(role: Role, id: string, isWanted: (route: Route) => boolean): readonly string[] {
    const heard = this.#entries.filter(({ route }) => route.listeners.includes(role) && isWanted(route));
    return ownLast(heard, "listener").map(({ kind, route }) => {
      if (route.owner === "listener") return this.filter(kind, { role, id });
      const all = this.filter(kind, {});
      return route.subscribed === "by channel" ? all : wholeTree(all);
    });
  }

  #entry(kind: string): Entry {
    const entry = this.#byKind.get(kind);
    if (entry === undefined) throw new RangeError(`no route ${kind}`);
    return entry;
  }
}

function checkSealed(kind: string, { path, sealed }: Route, routes: Routes): void {
  if (!path.includes("{id}")) throw new RangeError(`${kind} carries envelopes and does not say whose`);
  if (sealed !== undefined && routes[sealed.answers]?.sealed === undefined)
    throw new RangeError(`answers to ${kind} go to ${sealed.answers}, which carries no envelopes`);
}

const levelsOf = (path: string): readonly Level[] => path.split("/").map(levelOf);

function levelOf(text: string): Level {
  if (!text.startsWith("{")) return { word: text };
  const value = text.slice(1, -1);
  if (!Object.hasOwn(READERS, value)) throw new RangeError(`no topic has a ${value}`);
  return { value: value as keyof TopicValues };
}

/** A role is a word of ours: another one makes another topic, not one with a bad id. */
const fits = (levels: readonly Level[], words: readonly string[]): boolean =>
  levels.length === words.length &&
  levels.every((level, i) =>
    "word" in level ? level.word === words[i] : level.value !== "role" || isRole(words[i] ?? ""),
  );

function read({ kind, levels }: Entry, words: readonly string[]): AnyTopic | TopicDrop {
  const topic: Record<string, string | number> & { kind: string } = { kind };
  for (const [i, level] of levels.entries()) {
    if ("word" in level) continue;
    const value = READERS[level.value](words[i] ?? "");
    if (value === undefined) return "topic.identifier";
    topic[level.value] = value;
  }
  return topic;
}

const wordOf = (level: Level, values: Partial<TopicValues>): string | undefined =>
  "word" in level ? level.word : values[level.value]?.toString();

/** "#" for all that end in several values: one subscription for a pool of servers, whatever the shards. */
const wholeTree = (filter: string): string => filter.replace(/(\/\+){2,}$/, "/#");

const ownLast = (entries: readonly Entry[], side: Route["owner"]): readonly Entry[] => [
  ...entries.filter(({ route }) => route.owner !== side),
  ...entries.filter(({ route }) => route.owner === side),
];
