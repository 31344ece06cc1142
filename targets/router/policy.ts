// What control may say in place of entries of the router's file: the same entries, checked by the same schemas, by whoever gives them and by
// the router that takes them.
import * as v from "valibot";
import { printableShort } from "../../core/base/printable.ts";
import { POLICY_LIMIT } from "../../core/control/messages.ts";
import { type Checked, checkConfig, type Fault, interfaceName } from "../shared/config.ts";
import {
  bandwidth,
  type DownstreamConfig,
  groupPrefixes,
  kbitPerSecond,
  limits,
  type RouterConfig,
  rules,
  staticGroups,
  type UpstreamConfig,
} from "./config.ts";

const downstream = v.strictObject({
  interface: interfaceName,
  allow: v.optional(groupPrefixes),
  deny: v.optional(groupPrefixes),
  ...v.partial(v.strictObject(limits)).entries,
  bandwidth: v.optional(kbitPerSecond),
  portBandwidth: v.optional(kbitPerSecond),
  staticGroups: v.optional(staticGroups),
});
const upstream = v.strictObject({ interface: interfaceName, bandwidth: v.optional(kbitPerSecond) });

/** What is said of one downstream; see `DownstreamConfig`. */
export type DownstreamPolicy = { readonly interface: string } & {
  readonly [Entry in keyof typeof limits | "allow" | "deny" | "bandwidth" | "portBandwidth" | "staticGroups"]?:
    | DownstreamConfig[Entry]
    | undefined;
};

type UpstreamPolicy = Pick<UpstreamConfig, "interface" | "bandwidth">;

/** A policy that says nothing that cannot be; whether its interfaces are there only the router knows. What is absent is the file's. */
export interface RouterPolicy {
  readonly rules?: RouterConfig["rules"] | undefined;
  readonly bandwidth?: RouterConfig["bandwidth"] | undefined;
  /** Short for `upstreams` with one. */
  readonly upstream?: UpstreamPolicy | undefined;
  readonly upstreams: readonly UpstreamPolicy[];
  readonly downstreams: readonly DownstreamPolicy[];
}

/** Of interfaces. */
export const namesOf = (all: readonly { readonly interface: string }[]): readonly string[] =>
  all.map((one) => one.interface);

const isNamedOnce = ({ upstream: one, upstreams, downstreams }: RouterPolicy): boolean => {
  const names = namesOf([...(one === undefined ? [] : [one]), ...upstreams, ...downstreams]);
  return new Set(names).size === names.length;
};

/** Of the JSON that an operator writes. */
const routerPolicy: v.GenericSchema<unknown, RouterPolicy> = v.pipe(
  v.strictObject({
    rules: v.optional(rules),
    bandwidth: v.optional(bandwidth),
    upstream: v.optional(upstream),
    upstreams: v.optional(v.pipe(v.array(upstream), v.maxLength(16)), []),
    downstreams: v.optional(v.pipe(v.array(downstream), v.maxLength(31)), []),
  }),
  v.check((policy) => isNamedOnce(policy), "an interface is named twice"),
);

/** A policy as its JSON says it; every fault with its path, in the words of the configuration. */
export function readPolicy(text: string): Checked<RouterPolicy> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return checkConfig(routerPolicy, value as Record<string, unknown>, []);
    return { ok: false, faults: [{ path: "(root)", message: "must be one JSON object" }] };
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    return { ok: false, faults: [{ path: "(root)", message: printableShort(cause.message, 150) }] };
  }
}

/**
 * The one form in which it travels and is kept: JSON in ASCII, without blanks. `text` is one that `readPolicy` takes; a fault when it is
 * longer than that may be.
 */
export function policyText(text: string): string | Fault {
  const plain = JSON.stringify(JSON.parse(text)).replace(/[^ -~]/g, escaped);
  if (plain.length <= POLICY_LIMIT) return plain;
  return { path: "(root)", message: `takes ${plain.length} characters, and ${POLICY_LIMIT} fit` };
}

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** A fault as a sentence of at most 200 characters. */
export const faultText = ({ path, message }: Fault): string => printableShort(`${path}: ${message}`, 199);
