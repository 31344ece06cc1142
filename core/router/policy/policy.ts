// Who may receive what, and whether it fits in: rules, previews and bandwidth of one router as the gates of its interfaces.
import type { Address, AddressFamily } from "../../base/address.ts";
import type { Ipv4 } from "../../base/ipv4.ts";
import { earliest, type Instant } from "../../base/time.ts";
import type { Admission, AdmissionDrop, AdmissionRefusal, Admitted, RuleName } from "../../igmp/admission.ts";
import type { SourceFilter } from "../../igmp/filter.ts";
import type { TrackedHost } from "../../igmp/host-shares.ts";
import type { HostMembership } from "../../igmp/host-table.ts";
import { type HostStatement, joins } from "../../igmp/messages/host-statement.ts";
import { isExclude } from "../../igmp/messages/report.ts";
import type { Pass } from "../../ports/enforcement.ts";
import { Bandwidth, type BandwidthOptions, type Carrier, type CarrierLoad } from "./bandwidth.ts";
import { type EnforceOptions, type KeptPermits, type Permit, type PermitEffect, Permits } from "./permits.ts";
import { type PreviewEnd, Previews, type PreviewWish } from "./previews.ts";
import { InterfaceRules, type NamedRule, type RuledInterface, type RuleList } from "./rules.ts";

/** What an operator decides about receivers. */
export interface PolicyOptions<A extends Address = Ipv4> extends RuleList<A> {
  /** Absent: no group needs any. */
  readonly bandwidth?: BandwidthOptions<A>;
  /** Absent: control is not asked. */
  readonly enforce?: EnforceOptions<A>;
}

/** A downstream as the policy sees it; in kbit/s what may be carried to all behind it, and to one of its ports. */
export interface PolicyInterface<A extends Address = Ipv4> extends RuledInterface<A> {
  readonly bandwidth?: number | undefined;
  readonly portBandwidth?: number | undefined;
}

/** The interfaces that it holds for; of the uplinks in kbit/s what may come from there. */
export interface PolicyScope<A extends Address = Ipv4> {
  readonly downstreams: readonly PolicyInterface<A>[];
  readonly upstreams: readonly { readonly name: string; readonly bandwidth?: number | undefined }[];
}

/** A group that was refused for want of bandwidth and may have it now. */
export interface FittingGroup<A extends Address = Ipv4> {
  readonly name: string;
  readonly group: A;
}

type PreviewOf<A extends Address = Ipv4> = Pick<PreviewWish<A>, "name" | "host" | "group">;

/** Groups of one interface that wait for bandwidth; what is beyond is admitted by the next general query. */
const MOST_WAITING = 64;

/** The policy of one router. 224.0.0.0/24, which no router delivers, passes it by. */
export class Policy<A extends Address = Ipv4> {
  readonly #family: AddressFamily<A>;
  #rules: ReadonlyMap<string, InterfaceRules<A>> = new Map();
  readonly #previews = new Previews<A>();
  #permits: Permits<A> | undefined;
  readonly #bandwidth: Bandwidth<A>;
  readonly #uplinkOf: (group: A) => string | undefined;
  /** By interface. */
  readonly #waiting = new Map<string, Set<A>>();
  #hasMoreRoom = false;
  /** The uplink that carries a group. */
  readonly #carried = new Map<A, string>();

  /** `uplinkOf`: the upstream that a group would be asked for at; undefined when at none. */
  constructor(
    family: AddressFamily<A>,
    options: PolicyOptions<A>,
    scope: PolicyScope<A>,
    uplinkOf: (group: A) => string | undefined,
  ) {
    this.#family = family;
    this.#uplinkOf = uplinkOf;
    this.#bandwidth = new Bandwidth<A>(ratesOf(options), capacities(scope));
    this.configure(options, scope);
  }

  /** From now on; what this means for who is a member already is told by `review`. `now`: a router that runs is told. */
  configure(options: PolicyOptions<A>, scope: PolicyScope<A>, now?: Instant): void {
    this.#rules = new Map(scope.downstreams.map((one) => [one.name, new InterfaceRules<A>(options, one)]));
    this.#bandwidth.configure(ratesOf(options), capacities(scope));
    this.#enforce(options.enforce, now);
    this.#hasMoreRoom = true;
  }

  /** The gate of a downstream. */
  admission(name: string): Admission<A> {
    return {
      judge: (now, host, statement) => this.#judge(now, name, host, statement),
      tookEffect: (now, host, statement) => this.#tookEffect(now, name, host, statement),
    };
  }

  /** Whether anybody behind the interface may receive (group, source). */
  mayDeliver(name: string, group: A, source: A | undefined): boolean {
    return this.denial(name, group, source) === undefined;
  }

  /** The rule for which nobody behind the interface may; source undefined: whichever the source. */
  denial(name: string, group: A, source: A | undefined): RuleName | undefined {
    return this.#family.isLinkLocalMulticast(group) ? undefined : this.#rules.get(name)?.deniesAll(group, source);
  }

  /**
   * Whether everybody behind the interface may receive the whole group, whoever asks and whatever else is carried. Routes are prepared by
   * it: whatever changes it has them reviewed.
   */
  admitsAll(name: string, group: A): boolean {
    const uplink = this.#uplinkOf(group);
    const isBound = (carrier: Carrier) => this.#bandwidth.isBound(carrier);
    if (this.#permits !== undefined || this.#rules.get(name)?.allowsAll(group) === false) return false;
    if (isBound({ kind: "interface", name }) || isBound({ kind: "port", name, port: "" })) return false;
    return uplink === undefined || !isBound({ kind: "uplink", name: uplink });
  }

  /** What a member that was admitted before may have now: the sources that remain, none when all is refused; undefined when nothing changes. */
  review(
    now: Instant,
    name: string,
    { host, group, filter, message }: HostMembership<A>,
  ): { readonly sources: readonly A[]; readonly refusal: AdmissionRefusal } | undefined {
    const statement: HostStatement<A> = { type: typeOf(filter), group, sources: filter.sources, message };
    if (this.#family.isLinkLocalMulticast(group)) return undefined;
    // What it has watched so far is counted; other terms hold for the rest.
    this.#previews.stop(now, host, group);
    const { statement: kept, refusal } = this.#byRight(now, name, host, statement);
    if (kept !== undefined) this.#goesOn(now, name, host, kept);
    if (refusal === undefined) return undefined;
    return { sources: kept?.sources ?? [], refusal };
  }

  /** A member stays one, by terms that may be others. */
  #goesOn(now: Instant, name: string, host: TrackedHost<A>, statement: HostStatement<A>): void {
    this.#tookEffect(now, name, host, statement);
    this.#permits?.joined(host, statement.group);
  }

  /** A host is tracked as a member from now on. */
  joined(now: Instant, name: string, { host, group, filter, message }: HostMembership<A>): void {
    // It may have come from another port, where its preview was stopped.
    this.#tookEffect(now, name, host, { type: typeOf(filter), group, sources: filter.sources, message });
    this.#permits?.joined(host, group);
    if (host.port !== "" && !this.#family.isLinkLocalMulticast(group)) this.#bandwidth.take(portOf(name, host), group);
  }

  /** A host that was tracked as a member is none any more. */
  left(now: Instant, name: string, { host, group }: HostMembership<A>): void {
    this.#previews.stop(now, host, group);
    this.#permits?.left(host, group);
    if (host.port !== "") this.#freed(this.#bandwidth.giveBack(portOf(name, host), group));
  }

  /** Whether the interface as a whole wants the group. */
  wants(name: string, group: A, wanted: boolean): void {
    if (!this.#family.isLinkLocalMulticast(group)) this.#carry({ kind: "interface", name }, group, wanted);
  }

  /** The uplink on which the group is wanted; undefined: on none. */
  wantsUp(group: A, uplink: string | undefined): void {
    const before = this.#carried.get(group);
    if (before === uplink) return;
    if (before !== undefined) this.#carry({ kind: "uplink", name: before }, group, false);
    this.#carried.delete(group);
    if (uplink === undefined) return;
    this.#carried.set(group, uplink);
    this.#carry({ kind: "uplink", name: uplink }, group, true);
  }

  /** A refusal went out. */
  refused(now: Instant, name: string, host: TrackedHost<A>, group: A, reason: string): void {
    this.#permits?.heard(now, host);
    if (!MAY_CHANGE.has(reason)) return;
    const groups = this.#waiting.get(name) ?? new Set<A>();
    if (groups.size < MOST_WAITING) this.#waiting.set(name, groups.add(group));
  }

  /** Groups that were refused and fit in now: whoever still wants them is to be asked. Each is told once. */
  fittingNow(): readonly FittingGroup<A>[] {
    if (!this.#hasMoreRoom) return [];
    this.#hasMoreRoom = false;
    return [...this.#waiting].flatMap(([name, groups]) => {
      const fitting = [...groups].filter((group) => this.#lacks(name, group) === undefined);
      for (const group of fitting) groups.delete(group);
      return fitting.map((group) => ({ name, group }));
    });
  }

  /** Control has spoken; the cards of whose rights it said something else than before, to be reviewed. */
  told(now: Instant, permits: readonly Permit<A>[]): ReadonlySet<string> {
    const changed = this.#permits?.told(now, permits) ?? new Set<string>();
    this.#hasMoreRoom ||= changed.size > 0;
    return changed;
  }

  /** By which bridge ports groups leave already: the guard was left so by a process that ended before this one. */
  adopt(now: Instant, passes: readonly Pass<A>[]): void {
    this.#permits?.adopt(now, passes);
  }

  /** What control permitted before the process began. */
  restore(now: Instant, permits: KeptPermits<A>): void {
    this.#permits?.restore(now, permits);
  }

  /** Whether everybody is to be reviewed: what control said last has just become too old to hold. */
  wordHasEnded(now: Instant): boolean {
    const news = this.#permits?.poll(now);
    this.#hasMoreRoom ||= news !== undefined;
    return news === "ended";
  }

  /** What the next process is to be left; undefined where control is not asked. */
  keptPermits(now: Instant): KeptPermits<A> | undefined {
    return this.#permits?.kept(now);
  }

  /** What is to be asked of control, and said to the guard of the ports. */
  permitEffects(now: Instant): readonly PermitEffect<A>[] {
    return this.#permits?.effects(now) ?? [];
  }

  /** For status; undefined where control is not asked. */
  permitSummary(now: Instant): ReturnType<Permits<A>["summary"]> | undefined {
    return this.#permits?.summary(now);
  }

  /** Previews that are over now: their hosts are to be ended. */
  poll(now: Instant): readonly PreviewEnd<A>[] {
    return this.#previews.poll(now);
  }

  nextDeadline(): Instant | undefined {
    return earliest([this.#previews.nextDeadline(), this.#permits?.nextDeadline()]);
  }

  /** What is carried of what may be, in kbit/s, for status. */
  loads(): readonly CarrierLoad[] {
    return this.#bandwidth.loads();
  }

  #enforce(options: EnforceOptions<A> | undefined, now: Instant | undefined): void {
    if (options === undefined) this.#permits = undefined;
    else if (this.#permits !== undefined) this.#permits.configure(options);
    else {
      this.#permits = new Permits<A>(this.#family, options);
      if (now !== undefined) this.#permits.begin(now);
    }
  }

  #judge(now: Instant, name: string, host: TrackedHost<A>, statement: HostStatement<A>): Admitted<A> {
    if (!joins(statement) || this.#family.isLinkLocalMulticast(statement.group)) return { statement };
    const admitted = this.#byRight(now, name, host, statement);
    if (admitted.statement === undefined || !joins(admitted.statement)) return admitted;
    const reason = this.#lacks(name, statement.group, host);
    return reason === undefined ? admitted : refuse(statement, { reason });
  }

  /** By the rules, and by what control permits. */
  #byRight(now: Instant, name: string, host: TrackedHost<A>, statement: HostStatement<A>): Admitted<A> {
    const reason = this.#permits?.refuse(now, host, statement.group);
    return reason === undefined ? this.#byRules(now, name, host, statement) : refuse(statement, { reason });
  }

  #byRules(now: Instant, name: string, host: TrackedHost<A>, statement: HostStatement<A>): Admitted<A> {
    const rules = this.#rules.get(name);
    if (rules?.decide !== true) return { statement };
    const { group } = statement;
    const decide = (source?: A) => this.#refusalOf(now, { name, host, group }, rules.of({ host, group, source }));
    if (isExclude(statement.type) || !rules.namesSources) {
      const refusal = decide();
      return refusal === undefined ? { statement } : refuse(statement, refusal);
    }
    const judged = statement.sources.map((source) => ({ source, refusal: decide(source) }));
    const refusal = judged.find((one) => one.refusal !== undefined)?.refusal;
    if (refusal === undefined) return { statement };
    const sources = judged.filter((one) => one.refusal === undefined).map(({ source }) => source);
    return sources.length === 0 ? refuse(statement, refusal) : { statement: { ...statement, sources }, refusal };
  }

  #refusalOf(now: Instant, wish: PreviewOf<A>, decided: NamedRule<A> | undefined): AdmissionRefusal | undefined {
    if (decided === undefined) return undefined;
    const { rule, name } = decided;
    switch (rule.action) {
      case "allow":
        return undefined;
      case "deny":
        return { reason: "policy.denied", rule: name };
      case "preview": {
        const reason = this.#previews.refuse(now, { ...wish, rule: name, terms: rule.preview });
        return reason === undefined ? undefined : { reason, rule: name };
      }
    }
  }

  #tookEffect(now: Instant, name: string, host: TrackedHost<A>, statement: HostStatement<A>): void {
    this.#permits?.heard(now, host);
    const rules = this.#rules.get(name);
    if (rules?.decide !== true || !joins(statement) || this.#family.isLinkLocalMulticast(statement.group)) return;
    const { group } = statement;
    const sources = isExclude(statement.type) ? [undefined] : statement.sources;
    for (const source of sources) {
      const decided = rules.of({ host, group, source });
      if (decided?.rule.action !== "preview") continue;
      this.#previews.begin(now, { name, host, group, rule: decided.name, terms: decided.rule.preview });
    }
  }

  #lacks(name: string, group: A, host?: TrackedHost<A>): AdmissionDrop | undefined {
    if (!this.#bandwidth.fits({ kind: "interface", name }, group)) return "policy.interface-bandwidth";
    if (host !== undefined && host.port !== "" && !this.#bandwidth.fits(portOf(name, host), group))
      return "policy.port-bandwidth";
    const uplink = this.#uplinkOf(group);
    const hasRoom = uplink === undefined || this.#bandwidth.fits({ kind: "uplink", name: uplink }, group);
    return hasRoom ? undefined : "policy.uplink-bandwidth";
  }

  #carry(carrier: Carrier, group: A, wanted: boolean): void {
    if (this.#bandwidth.carries(carrier, group) === wanted) return;
    if (wanted) this.#bandwidth.take(carrier, group);
    else this.#freed(this.#bandwidth.giveBack(carrier, group));
  }

  #freed(hasMoreRoom: boolean): void {
    this.#hasMoreRoom ||= hasMoreRoom && this.#waiting.size > 0;
  }
}

/** Refusals that may be over soon, without a word of the host. */
const MAY_CHANGE: ReadonlySet<string> = new Set([
  "policy.unpermitted",
  "policy.no-word",
  "policy.interface-bandwidth",
  "policy.port-bandwidth",
  "policy.uplink-bandwidth",
]);

const NO_RATES: BandwidthOptions<never> = { channels: [], otherChannels: 0 };

const ratesOf = <A extends Address>({ bandwidth = NO_RATES }: PolicyOptions<A>): BandwidthOptions<A> => bandwidth;

function capacities<A extends Address>({
  downstreams,
  upstreams,
}: PolicyScope<A>): (carrier: Carrier) => number | undefined {
  const [below, above] = [byName(downstreams), byName(upstreams)];
  return (carrier) => {
    switch (carrier.kind) {
      case "interface":
        return below.get(carrier.name)?.bandwidth;
      case "port":
        return below.get(carrier.name)?.portBandwidth;
      case "uplink":
        return above.get(carrier.name)?.bandwidth;
    }
  };
}

const byName = <T extends { readonly name: string }>(all: readonly T[]): ReadonlyMap<string, T> =>
  new Map(all.map((one) => [one.name, one]));

const typeOf = <A extends Address>({ mode }: SourceFilter<A>): "is-in" | "is-ex" =>
  mode === "include" ? "is-in" : "is-ex";

const portOf = <A extends Address>(name: string, { port }: TrackedHost<A>): Carrier => ({ kind: "port", name, port });

/** Nothing of it holds, but a host that changes over leaves what it had. */
const refuse = <A extends Address>(statement: HostStatement<A>, refusal: AdmissionRefusal): Admitted<A> =>
  statement.type === "to-in" ? { statement: { ...statement, sources: [] }, refusal } : { refusal };
