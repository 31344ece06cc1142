// The operator's rules: in order, the first that matches decides, and where none does everything is allowed.

import type { Address } from "../../base/address.ts";
import type { Ipv4 } from "../../base/ipv4.ts";
import { inSubnet, type Subnet } from "../../base/subnet.ts";
import type { Duration } from "../../base/time.ts";
import type { RuleName, RuleOrigin } from "../../igmp/admission.ts";
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
export interface RuleScope<A extends Address = Ipv4> {
  readonly interface?: string;
  /** The VLAN of the interface, which is that of its frames: what bears another tag on a bridge port is none of it. */
  readonly vlan?: number;
  /** The bridge port. */
  readonly port?: string;
  readonly host?: HostPattern<A>;
  readonly groups?: readonly GroupPrefix<A>[];
  /** Sources asked for by name; a host that asks for a group from anybody is not meant. */
  readonly sources?: readonly Subnet<A>[];
}

/** One rule. */
export type Rule<A extends Address = Ipv4> = RuleScope<A> &
  ({ readonly action: "allow" | "deny" } | { readonly action: "preview"; readonly preview: PreviewTerms });

/** All rules of one origin, in order. */
export interface RuleList<A extends Address = Ipv4> {
  readonly rules?: readonly Rule<A>[];
  /** Default "file". */
  readonly rulesFrom?: RuleOrigin;
}

/** A rule, and what it is called where it refuses. */
export interface NamedRule<A extends Address = Ipv4> {
  readonly rule: Rule<A>;
  readonly name: RuleName;
}

/** An interface as rules see it, with the lists that are short forms of rules. */
export interface RuledInterface<A extends Address = Ipv4> {
  readonly name: string;
  readonly vlan?: number | undefined;
  readonly allow?: readonly GroupPrefix<A>[] | undefined;
  readonly deny?: readonly GroupPrefix<A>[] | undefined;
  /** Default "file". */
  readonly allowFrom?: RuleOrigin | undefined;
  readonly denyFrom?: RuleOrigin | undefined;
}

/** What is asked for; `source` undefined: from anybody. */
export interface Wish<A extends Address = Ipv4> {
  readonly host: TrackedHost<A>;
  readonly group: A;
  readonly source: A | undefined;
}

/** The rules that concern one interface, in order. */
export class InterfaceRules<A extends Address = Ipv4> {
  readonly #rules: readonly NamedRule<A>[];
  /** Whether a source can make a difference. */
  readonly namesSources: boolean;

  constructor({ rules = [], rulesFrom: origin = "file" }: RuleList<A>, one: RuledInterface<A>) {
    const numbered = rules.map((rule, index) => ({ rule, name: { place: index + 1, origin } }));
    this.#rules = [...numbered, ...shortForms(one)].filter(({ rule }) => concerns(rule, one));
    this.namesSources = this.#rules.some(({ rule }) => rule.sources !== undefined);
  }

  /** Whether there are any. */
  get decide(): boolean {
    return this.#rules.length > 0;
  }

  /** The rule that decides; undefined when none does, and it is allowed. */
  of({ host, group, source }: Wish<A>): NamedRule<A> | undefined {
    return this.#rules.find(
      ({ rule }) => isOf(rule, group) && isFrom(rule, source) && isAt(rule, host) && isHost(rule, host),
    );
  }

  /**
   * The rule for which nobody here may receive (group, source), whoever it is; source undefined: whichever the source. undefined: somebody
   * may, or might.
   */
  deniesAll(group: A, source: A | undefined): RuleName | undefined {
    const about = this.#rules.filter(({ rule }) => isOf(rule, group) && (source === undefined || isFrom(rule, source)));
    const isGeneral = (rule: Rule<A>): boolean =>
      isForAll(rule) && (source !== undefined || rule.sources === undefined);
    const general = about.findIndex(({ rule }) => isGeneral(rule));
    const deciding = about.slice(0, general + 1);
    return deciding.every(({ rule }) => rule.action === "deny") ? about[general]?.name : undefined;
  }

  /** Whether everybody here may receive the group from anybody, whoever it is. */
  allowsAll(group: A): boolean {
    const about = this.#rules.filter(({ rule }) => isOf(rule, group) && isFrom(rule, undefined));
    const general = about.findIndex(({ rule }) => isForAll(rule));
    const deciding = general < 0 ? about : about.slice(0, general + 1);
    return deciding.every(({ rule }) => rule.action === "allow");
  }
}

/** `deny` wins over `allow`; what is allowed by name is denied otherwise. They stand behind all rules. */
function shortForms<A extends Address>(one: RuledInterface<A>): readonly NamedRule<A>[] {
  const { allow = [], deny = [], allowFrom = "file", denyFrom = "file" } = one;
  const denying: NamedRule<A> = { rule: { action: "deny", groups: deny }, name: { place: "deny", origin: denyFrom } };
  const denied = deny.length === 0 ? [] : [denying];
  if (allow.length === 0) return denied;
  const name: RuleName = { place: "allow", origin: allowFrom };
  return [...denied, { rule: { action: "allow", groups: allow }, name }, { rule: { action: "deny" }, name }];
}

const concerns = <A extends Address>(rule: RuleScope<A>, { name, vlan }: RuledInterface<A>): boolean =>
  (rule.interface === undefined || rule.interface === name) && (rule.vlan === undefined || rule.vlan === vlan);

const isForAll = <A extends Address>({ port, host }: RuleScope<A>): boolean => port === undefined && host === undefined;

const isOf = <A extends Address>({ groups }: RuleScope<A>, group: A): boolean =>
  groups?.some((prefix) => covers(prefix, group)) ?? true;

const isFrom = <A extends Address>({ sources }: RuleScope<A>, source: A | undefined): boolean =>
  sources === undefined || (source !== undefined && sources.some((subnet) => inSubnet(subnet, source)));

const isAt = <A extends Address>(rule: RuleScope<A>, { port }: TrackedHost<A>): boolean =>
  rule.port === undefined || rule.port === port;

const isHost = <A extends Address>({ host }: RuleScope<A>, heard: TrackedHost<A>): boolean =>
  host === undefined || isMeant(host, heard);
