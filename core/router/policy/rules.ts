// The operator's rules: in order, the first that matches decides, and where none does everything is allowed.

import type { Ipv4 } from "../../base/ipv4.ts";
import { inSubnet, type Subnet } from "../../base/subnet.ts";
import type { Duration } from "../../base/time.ts";
import type { RuleName } from "../../igmp/admission.ts";
import { type HostPattern, isMeant } from "../../igmp/host-pattern.ts";
import type { TrackedHost } from "../../igmp/host-shares.ts";
import { covers, type GroupPrefix } from "./group-access.ts";

/** How long a host may watch a group before it is ended, and how often. */
export interface PreviewTerms {
  /** Of one preview, however often the host leaves and returns meanwhile. */
  readonly watch: Duration;
  /** Previews in 24 hours from the first. */
  readonly perDay: number;
  /** From the end of one to the beginning of the next. */
  readonly pause: Duration;
}

/** Whom a rule is about; what is absent is not looked at. A fact that is not known, such as the port of a packet, matches nothing. */
export interface RuleScope {
  readonly interface?: string;
  /** The VLAN of the interface, which is that of its frames: what bears another tag on a bridge port is none of it. */
  readonly vlan?: number;
  /** The bridge port. */
  readonly port?: string;
  readonly host?: HostPattern;
  readonly groups?: readonly GroupPrefix[];
  /** Sources asked for by name; a host that asks for a group from anybody is not meant. */
  readonly sources?: readonly Subnet[];
}

/** One rule. */
export type Rule = RuleScope &
  ({ readonly action: "allow" | "deny" } | { readonly action: "preview"; readonly preview: PreviewTerms });

/** A rule, and what it is called where it refuses: its place from 1, or the list of the interface that it comes from. */
export interface NamedRule {
  readonly rule: Rule;
  readonly name: RuleName;
}

/** An interface as rules see it, with the lists that are short forms of rules. */
export interface RuledInterface {
  readonly name: string;
  readonly vlan?: number | undefined;
  readonly allow?: readonly GroupPrefix[] | undefined;
  readonly deny?: readonly GroupPrefix[] | undefined;
}

/** What is asked for; `source` undefined: from anybody. */
export interface Wish {
  readonly host: TrackedHost;
  readonly group: Ipv4;
  readonly source: Ipv4 | undefined;
}

/** The rules that concern one interface, in order. */
export class InterfaceRules {
  readonly #rules: readonly NamedRule[];
  /** Whether a source can make a difference. */
  readonly namesSources: boolean;

  constructor(rules: readonly Rule[], one: RuledInterface) {
    const numbered = rules.map((rule, index) => ({ rule, name: index + 1 }));
    this.#rules = [...numbered, ...shortForms(one)].filter(({ rule }) => concerns(rule, one));
    this.namesSources = this.#rules.some(({ rule }) => rule.sources !== undefined);
  }

  /** Whether there are any. */
  get decide(): boolean {
    return this.#rules.length > 0;
  }

  /** The rule that decides; undefined when none does, and it is allowed. */
  of({ host, group, source }: Wish): NamedRule | undefined {
    return this.#rules.find(
      ({ rule }) => isOf(rule, group) && isFrom(rule, source) && isAt(rule, host) && isHost(rule, host),
    );
  }

  /** Whether nobody here may receive (group, source), whoever it is; source undefined: whichever the source. */
  deniesAll(group: Ipv4, source: Ipv4 | undefined): boolean {
    const about = this.#rules.filter(({ rule }) => isOf(rule, group) && (source === undefined || isFrom(rule, source)));
    const isGeneral = ({ port, host, sources }: Rule): boolean =>
      port === undefined && host === undefined && (source !== undefined || sources === undefined);
    const general = about.findIndex(({ rule }) => isGeneral(rule));
    const deciding = general < 0 ? about : about.slice(0, general + 1);
    return general >= 0 && deciding.every(({ rule }) => rule.action === "deny");
  }
}

/** `deny` wins over `allow`; what is allowed by name is denied otherwise. They stand behind all rules. */
function shortForms({ allow = [], deny = [] }: RuledInterface): readonly NamedRule[] {
  const denied: NamedRule[] = deny.length === 0 ? [] : [{ rule: { action: "deny", groups: deny }, name: "deny" }];
  if (allow.length === 0) return denied;
  const allowed: NamedRule = { rule: { action: "allow", groups: allow }, name: "allow" };
  return [...denied, allowed, { rule: { action: "deny" }, name: "allow" }];
}

const concerns = (rule: RuleScope, { name, vlan }: RuledInterface): boolean =>
  (rule.interface === undefined || rule.interface === name) && (rule.vlan === undefined || rule.vlan === vlan);

const isOf = ({ groups }: RuleScope, group: Ipv4): boolean => groups?.some((prefix) => covers(prefix, group)) ?? true;

const isFrom = ({ sources }: RuleScope, source: Ipv4 | undefined): boolean =>
  sources === undefined || (source !== undefined && sources.some((subnet) => inSubnet(subnet, source)));

const isAt = (rule: RuleScope, { port }: TrackedHost): boolean => rule.port === undefined || rule.port === port;

const isHost = ({ host }: RuleScope, heard: TrackedHost): boolean => host === undefined || isMeant(host, heard);
