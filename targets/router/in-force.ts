// What is in force where the router's file and control both say something, and what of control's policy cannot be.
import type { Fault } from "../shared/config.ts";
import {
  type DownstreamConfig,
  given,
  lacksRates,
  NO_RATES,
  type RouterConfig,
  type UpstreamConfig,
  upstreamsOf,
} from "./config.ts";
import { type DownstreamPolicy, namesOf, type RouterPolicy } from "./policy.ts";

/** What a policy says that this router, as its file has it, cannot do. Empty: it can be in force. */
export function conflicts(file: RouterConfig, policy: RouterPolicy): readonly Fault[] {
  const [below, above] = [namesOf(file.downstreams), namesOf(upstreamsOf(file))];
  const strangers = [
    ...(policy.rules ?? []).map((rule, i) => missing(`rules.${i}`, rule.interface, "downstream", below)),
    ...policy.downstreams.map((one, i) => missing(`downstreams.${i}`, one.interface, "downstream", below)),
    ...policy.upstreams.map((one, i) => missing(`upstreams.${i}`, one.interface, "upstream", above)),
    missing("upstream", policy.upstream?.interface, "upstream", above),
  ].filter((fault) => fault !== undefined);
  if (strangers.length > 0) return strangers;
  return lacksRates(inForce(file, policy).config) ? [{ path: "bandwidth", message: NO_RATES }] : [];
}

function missing(
  path: string,
  name: string | undefined,
  side: "downstream" | "upstream",
  there: readonly string[],
): Fault | undefined {
  if (name === undefined || there.includes(name)) return undefined;
  const known = there.length === 0 ? "none" : there.join(", ");
  return { path: `${path}.interface`, message: `this router has no ${side} ${name}; it has ${known}` };
}

/** File and policy together. */
export interface InForce {
  readonly config: RouterConfig;
  /** The entries that are the policy's: "rules", "bandwidth", "downstreams.br-lan.maxGroups", "upstreams.wan.bandwidth". */
  readonly byControl: ReadonlySet<string>;
  /** What is otherwise than the policy says, in sentences. */
  readonly remarks: readonly string[];
}

/**
 * Each entry of the policy takes the place of the file's, whole: the rules of both in one list would have an order that nobody wrote. What
 * bounds the router's memory stays the file's where the policy gives more.
 */
export function inForce(file: RouterConfig, policy: RouterPolicy): InForce {
  const merged = file.downstreams.map((one) => mergeDownstream(one, policy.downstreams));
  const uplinks = new Map(
    [...policy.upstreams, policy.upstream].map((one) => [one?.interface, one?.bandwidth] as const),
  );
  const above = (one: UpstreamConfig): UpstreamConfig => ({
    ...one,
    ...given({ bandwidth: uplinks.get(one.interface) }),
  });
  const whole = given({ rules: policy.rules, bandwidth: policy.bandwidth, enforce: policy.enforce });
  const { enforce: _, ...others } = { ...file, ...whole };
  const limited = upstreamsOf(file).filter((one) => uplinks.get(one.interface) !== undefined);
  return {
    config: {
      ...others,
      ...given({ enforce: enforced(file, policy) }),
      upstream: file.upstream && above(file.upstream),
      upstreams: file.upstreams.map(above),
      downstreams: merged.map(({ config }) => config),
    },
    byControl: new Set([
      ...Object.keys(whole),
      ...limited.map((one) => `upstreams.${one.interface}.bandwidth`),
      ...merged.flatMap(({ config, entries }) => entries.map((entry) => `downstreams.${config.interface}.${entry}`)),
    ]),
    remarks: merged.flatMap(({ remarks }) => remarks),
  };
}

/** Of no groups it is nothing; where it is kept is the file's. */
function enforced({ enforce: its }: RouterConfig, { enforce }: RouterPolicy): RouterConfig["enforce"] {
  if (enforce === undefined) return its;
  return enforce.groups.length === 0 ? undefined : { ...enforce, ...given({ file: its?.file }) };
}

/** These bound the memory of the router, which is not control's to give. */
const BOUNDS = ["maxGroups", "maxSources", "maxHostMemberships", "maxSourcesPerInterface"] as const;

interface Merged {
  readonly config: DownstreamConfig;
  /** Those of the policy. */
  readonly entries: readonly string[];
  readonly remarks: readonly string[];
}

function mergeDownstream(file: DownstreamConfig, policies: readonly DownstreamPolicy[]): Merged {
  const policy = policies.find((one) => one.interface === file.interface);
  const { interface: name, ...entries } = given(policy ?? { interface: file.interface });
  const beyond = BOUNDS.filter((bound) => (entries[bound] ?? 0) > file[bound]);
  const bounded = Object.fromEntries(beyond.map((bound) => [bound, file[bound]]));
  return {
    config: { ...file, ...entries, ...bounded },
    entries: Object.keys(entries).filter((entry) => !Object.hasOwn(bounded, entry)),
    remarks: beyond.map(
      (bound) =>
        `downstreams.${name}.${bound}: ${entries[bound]} is more than the file's ${file[bound]}, which stays the bound`,
    ),
  };
}
