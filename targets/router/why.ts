// `status --why GROUP HOST`: whether the group reaches the host, and if not, the first thing that stands in its way, with the evidence.
import { formatIpv4, type Ipv4, isLinkLocalMulticast, isMulticast, parseIpv4 } from "../../core/base/ipv4.ts";
import { inSubnet } from "../../core/base/subnet.ts";
import { after, type Instant, milliseconds, seconds } from "../../core/base/time.ts";
import type { TrackedHost } from "../../core/igmp/host-shares.ts";
import type { HostMembership } from "../../core/igmp/host-table.ts";
import type { RouterInterface } from "../../core/igmp/router-interface.ts";
import type { RouteUse } from "../../core/ports/forwarding.ts";
import type { DeliveryPath } from "../../core/router/delivery-path.ts";
import type { EndedMembership } from "../../core/router/ended-memberships.ts";
import type { Refusal } from "../../core/router/refusals.ts";
import { CommandRefused } from "../shared/admin.ts";
import { hostStatus, type StatusParts, secondsSince } from "./status-of.ts";
import { whereText } from "./warnings.ts";

/** What stands in the way; docs/status.md says what to do about each. */
export type Verdict =
  | "delivered"
  | "not-joined"
  | "no-query"
  | "left"
  | "timed-out"
  | "refused"
  | "denied"
  | "interface-down"
  | "lost-election"
  | "not-routed"
  | "upstream-not-asked"
  | "no-upstream-packets"
  | "source-not-wanted"
  | "inbound"
  | "entry-missing";

/** The answer: `sentences` for a person, the first of which is the answer itself. */
export interface WhyAnswer {
  readonly delivered: boolean;
  readonly verdict: Verdict;
  /** The downstream where the host is; undefined: nobody knows. */
  readonly interface?: string | undefined;
  readonly sentences: readonly string[];
}

/** Who is meant, in one of three ways. */
type Named =
  | { readonly by: "address"; readonly address: Ipv4 }
  | { readonly by: "mac"; readonly mac: string }
  | { readonly by: "port"; readonly port: string };

interface Question {
  readonly group: Ipv4;
  readonly host: Named;
  readonly text: string;
}

/** Where the host is, and what is known of it and the group there; the first that is known. */
type Standing =
  | { readonly kind: "member"; readonly name: string; readonly membership: HostMembership }
  | { readonly kind: "refused"; readonly name: string; readonly refusal: Refusal }
  | { readonly kind: "ended"; readonly name: string; readonly ended: EndedMembership }
  | { readonly kind: "elsewhere"; readonly name: string; readonly memberships: readonly HostMembership[] }
  | { readonly kind: "unheard"; readonly name: string }
  | { readonly kind: "unknown" };

/** Between the two looks at the kernel's counters. */
const LOOK = seconds(1);

/**
 * Takes a group and a host (IPv4 address, MAC or bridge port) as text. Resolves after a second when the counters are looked at.
 * Rejects with CommandRefused for what is neither, and with what the forwarding driver throws.
 */
export async function why(parts: StatusParts, input: unknown): Promise<WhyAnswer> {
  const question = questionIn(input);
  const standing = standingOf(parts, question);
  switch (standing.kind) {
    case "member":
      return path(parts, question, standing);
    case "refused":
      return refused(parts, question, standing);
    case "ended":
      return ended(parts, question, standing);
    case "elsewhere":
    case "unheard":
      return notJoined(parts, question, standing);
    case "unknown":
      return nowhere(parts, question);
  }
}

function questionIn(input: unknown): Question {
  const { group: groupText, host } = (input ?? {}) as { readonly group?: unknown; readonly host?: unknown };
  const group = typeof groupText === "string" ? parseIpv4(groupText) : undefined;
  if (group === undefined || !isMulticast(group)) throw new CommandRefused("GROUP must be a multicast address");
  if (isLinkLocalMulticast(group))
    throw new CommandRefused("224.0.0.0/24 never leaves its link: no router delivers it");
  if (typeof host !== "string" || !/^[^\s/]{1,17}$/.test(host))
    throw new CommandRefused("HOST must be an IPv4 address, a MAC or a bridge port");
  return { group, host: named(host), text: host };
}

function named(text: string): Named {
  const address = parseIpv4(text);
  if (address !== undefined) return { by: "address", address };
  if (/^([\da-f]{2}[:-]){5}[\da-f]{2}$/i.test(text)) return { by: "mac", mac: text.toLowerCase().replaceAll("-", ":") };
  return { by: "port", port: text };
}

function isMeant({ links }: StatusParts, named: Named, name: string, { address, mac, port }: TrackedHost): boolean {
  switch (named.by) {
    case "address":
      return address === named.address;
    case "mac":
      return (mac === "" ? links.neighbour(name, address) : mac) === named.mac;
    case "port":
      return port === named.port;
  }
}

function standingOf(parts: StatusParts, { group, host }: Question): Standing {
  const machines = [...parts.router.interfaces()];
  const known = machines.map(([name, machine]) => ({
    name,
    memberships: machine.hosts().filter((one) => isMeant(parts, host, name, one.host)),
  }));
  for (const { name, memberships } of known) {
    const membership = memberships.find((one) => one.group === group);
    if (membership !== undefined) return { kind: "member", name, membership };
  }
  const last = [lastRefusal(parts, group, host), lastEnded(parts, group, host)].filter((one) => one !== undefined);
  const [latest] = last.sort((a, b) => b.at - a.at);
  if (latest !== undefined) return latest.standing;
  const elsewhere = known.find(({ memberships }) => memberships.length > 0);
  if (elsewhere !== undefined) return { kind: "elsewhere", ...elsewhere };
  const name = placeOf(parts, host);
  return name === undefined ? { kind: "unknown" } : { kind: "unheard", name };
}

interface Past {
  readonly at: Instant;
  readonly standing: Standing;
}

/** A limit refuses whatever its host asks for: the group that was noted is only the last. */
function lastRefusal(parts: StatusParts, group: Ipv4, host: Named): Past | undefined {
  const refusal = parts.statistics.refusals
    .recent()
    .filter(({ reason }) => reason !== "tracking.full" && reason !== "tracking.too-many-sources")
    .filter((one) => one.group === undefined || one.group === group || LIMITS.has(one.reason))
    .find(({ name, host: who }) => isMeant(parts, host, name, who));
  return refusal && { at: refusal.last, standing: { kind: "refused", name: refusal.name, refusal } };
}

function lastEnded(parts: StatusParts, group: Ipv4, host: Named): Past | undefined {
  const all = Array.from(parts.router.interfaces(), ([name]) => {
    const recent = parts.statistics.of(name).ended.recent();
    const one = recent.find(({ host: who, group: of }) => of === group && isMeant(parts, host, name, who));
    return one === undefined ? [] : [{ at: one.at, standing: { kind: "ended" as const, name, ended: one } }];
  }).flat();
  return all.sort((a, b) => b.at - a.at)[0];
}

/** The downstream of whose network, or bridge, the host is; where there is only one, that. */
function placeOf({ router, interfaces, links }: StatusParts, host: Named): string | undefined {
  const names = Array.from(router.interfaces(), ([name]) => name);
  const found = names.find((name) => {
    const link = interfaces.link(name) ?? links.get(name);
    if (host.by === "address") return link?.addresses.some((own) => inSubnet(own, host.address));
    return host.by === "port" && link?.ports.includes(host.port);
  });
  return found ?? (names.length === 1 && host.by === "mac" ? names[0] : undefined);
}

const no = (verdict: Verdict, name: string | undefined, ...sentences: readonly string[]): WhyAnswer => ({
  delivered: false,
  verdict,
  interface: name,
  sentences,
});

function nowhere({ router }: StatusParts, { group, text }: Question): WhyAnswer {
  const names = Array.from(router.interfaces(), ([name]) => name);
  return no(
    "not-joined",
    undefined,
    `${text} is not known: no downstream (${names.join(", ")}) has heard of it since the start, nor has any its address or port.`,
    `So it has not joined ${formatIpv4(group)} here.`,
  );
}

function notJoined(
  parts: StatusParts,
  { group, text }: Question,
  standing: Standing & { readonly kind: "elsewhere" | "unheard" },
): WhyAnswer {
  const { name } = standing;
  if (parts.interfaces.link(name) === undefined) return down(name);
  const others = othersText(parts, name, group);
  if (standing.kind === "elsewhere") {
    const groups = standing.memberships.slice(0, 5).map((one) => formatIpv4(one.group));
    return no(
      "not-joined",
      name,
      `${text} on ${name} has not joined ${formatIpv4(group)}: it was heard of ${groups.join(", ")}, never of this group.`,
      others,
    );
  }
  const silence = silenceOf(parts, name);
  if (silence !== undefined)
    return no(
      "no-query",
      name,
      `${text} was never heard on ${name}, where ${silence}: a host that is not asked may stay silent.`,
      others,
    );
  const asked = `the last query there was ${ago(parts, parts.statistics.of(name).lastQuery)}`;
  return no(
    "not-joined",
    name,
    `${text} was never heard on ${name}: it has not joined ${formatIpv4(group)}; ${asked}.`,
    others,
  );
}

/** Why nobody is asked on an interface; undefined when somebody is. */
function silenceOf(parts: StatusParts, name: string): string | undefined {
  const { lastQuery } = parts.statistics.of(name);
  const times = machineOf(parts, name).times;
  if (lastQuery === undefined) return "no query has been sent or heard since the start";
  const expected = milliseconds(times.queryInterval + times.queryResponseInterval);
  const overdue = after(lastQuery, expected) <= parts.clock.now();
  return overdue ? `no query was seen for ${secondsSince(parts.clock, lastQuery)} s` : undefined;
}

function machineOf({ router }: StatusParts, name: string): RouterInterface {
  const machine = new Map(router.interfaces()).get(name);
  if (machine === undefined) throw new RangeError(`no downstream ${name}`);
  return machine;
}

/** Who else watches: it tells a host that is not heard from a group that nobody gets. */
function othersText(parts: StatusParts, name: string, group: Ipv4): string {
  const members = machineOf(parts, name)
    .hosts()
    .filter((one) => one.group === group);
  const [last] = [...members].sort((a, b) => b.lastSeen - a.lastSeen);
  if (last === undefined) return `Nobody on ${name} is a member of ${formatIpv4(group)} now.`;
  const who = whoText(parts, name, last.host);
  return `${formatIpv4(group)} was last heard of on ${name} from ${who}, ${ago(parts, last.lastSeen)}; members there: ${members.length}.`;
}

function whoText(parts: StatusParts, name: string, host: TrackedHost): string {
  const { host: address, ...where } = hostStatus(parts, name, host);
  return `${address}${whereText(where)}`;
}

function ago({ clock }: StatusParts, moment: Instant | undefined): string {
  if (moment === undefined) return "never";
  return `${secondsSince(clock, moment)} s ago`;
}

/** "2026-01-31T18:00:00Z, 12 s ago". */
const timeText = (parts: StatusParts, moment: Instant): string =>
  `${new Date(parts.clock.unix(moment)).toISOString().replace(/\.\d+/, "")}, ${ago(parts, moment)}`;

function ended(parts: StatusParts, { group }: Question, standing: Standing & { readonly kind: "ended" }): WhyAnswer {
  const { name, ended: one } = standing;
  const [who, when] = [whoText(parts, name, one.host), timeText(parts, one.at)];
  const watched = `It had been a member for ${Math.round((one.at - one.since) / 1000)} s.`;
  const others = othersText(parts, name, group);
  switch (one.cause) {
    case "left":
      return no("left", name, `${who} left ${formatIpv4(group)} on ${name} at ${when}.`, watched, others);
    case "expired":
      return no(
        "timed-out",
        name,
        `${who} timed out of ${formatIpv4(group)} on ${name} at ${when}: it answered no query for a membership interval.`,
        watched,
        `Queries on ${name}: ${silenceOf(parts, name) ?? `the last was ${ago(parts, parts.statistics.of(name).lastQuery)}`}.`,
        others,
      );
    case "moved":
      return no(
        "left",
        name,
        `${who} went to another port of ${name} at ${when} and has not joined again.`,
        watched,
        others,
      );
    case "down":
      return no(
        "interface-down",
        name,
        `${name} was out of use at ${when}, and ${who} has not joined again since.`,
        watched,
        others,
      );
  }
}

/** What a limit is called in the configuration. */
const LIMITS: ReadonlyMap<string, string> = new Map([
  ["igmp.host-groups", "it has as many groups as one host may have (maxGroupsPerHost)"],
  ["igmp.port-groups", "the hosts behind its port have as many groups as they may have (maxGroupsPerPort)"],
  ["igmp.host-rate", "it joins more quickly than one host may (joinsPerSecond)"],
  ["igmp.host-share", "the room that is left on the interface is kept for hosts that have less (maxGroups)"],
  ["igmp.too-many-groups", "the interface has as many groups as it may have (maxGroups)"],
  ["tracking.refused", "a limit of its host or port is reached"],
]);

function refused(
  parts: StatusParts,
  { group }: Question,
  { name, refusal }: Standing & { readonly kind: "refused" },
): WhyAnswer {
  const { reason, times, last } = refusal;
  const who = whoText(parts, name, refusal.host);
  const cause = LIMITS.get(reason) ?? ruleText(reason);
  const asked =
    refusal.group === undefined || refusal.group === group ? "" : `; the last time for ${formatIpv4(refusal.group)}`;
  return no(
    "refused",
    name,
    `${who} was refused ${formatIpv4(group)} on ${name}: ${cause} (${reason}).`,
    `Refused for this ${times} times, last at ${timeText(parts, last)}${asked}.`,
  );
}

/** "policy.rule-3" and the like. */
function ruleText(reason: string): string {
  const [, rule] = /^policy\.rule-(\d+)$/.exec(reason) ?? [];
  return rule === undefined ? "a rule or limit does not allow it" : `rule ${rule} does not allow it`;
}

const down = (name: string): WhyAnswer =>
  no("interface-down", name, `${name} is not in use: it is down, gone or without an address, and is waited for.`);

async function path(
  parts: StatusParts,
  { group }: Question,
  { name, membership }: Standing & { readonly kind: "member" },
): Promise<WhyAnswer> {
  const now = parts.clock.now();
  const facts = parts.router.path(now, name, group);
  if (facts === undefined) throw new RangeError(`no downstream ${name}`);
  const joined = `${whoText(parts, name, membership.host)} is a member of ${formatIpv4(group)} on ${name} for ${secondsSince(parts.clock, membership.since)} s, last heard ${ago(parts, membership.lastSeen)}.`;
  const blocked = blockedAt(parts, name, group, facts) ?? leadsNowhere(name, group, facts);
  if (blocked !== undefined) return { ...blocked, sentences: [...blocked.sentences, joined] };
  const counted = await flow(parts, name, group);
  return { ...counted, sentences: [...counted.sentences, joined] };
}

/** What stops every stream of the group on its way to the interface. */
function blockedAt(parts: StatusParts, name: string, group: Ipv4, facts: DeliveryPath): WhyAnswer | undefined {
  const { isUp, isDenied, isForwarder, querier, streams } = facts;
  if (!isUp) return down(name);
  if (isDenied)
    return no(
      "denied",
      name,
      `${formatIpv4(group)} may not be received on ${name}: its \`allow\` and \`deny\` say so.`,
    );
  if (!isForwarder && querier.kind === "non-querier") {
    const winner = whoText(parts, name, querier.winner);
    return no(
      "lost-election",
      name,
      `${name} is served by another router: the election is lost to ${winner}, for ${secondsSince(parts.clock, querier.since)} s.`,
      "`forwarder: elected` is configured there: with `always` this router would forward whoever asks.",
    );
  }
  if (!isForwarder)
    return no("lost-election", name, `Nobody is known to be the querier of ${name}, and this router may not be.`);
  if (parts.table === undefined)
    return no(
      "not-routed",
      name,
      "`forwarding` is none: this router asks and keeps evidence, the machine bridges. It does not see packets.",
    );
  return streams.length === 0 ? noStream(parts, name, group, facts) : undefined;
}

function noStream(parts: StatusParts, name: string, group: Ipv4, { upstream }: DeliveryPath): WhyAnswer {
  const nothing = `no packet of ${formatIpv4(group)} has come in on any interface of this router`;
  const lost = parts.table?.dropped() ?? 0;
  const doubt =
    lost === 0 ? [] : [`${lost} questions of the kernel were lost, perhaps the one about this group among them.`];
  if (upstream === undefined)
    return no("no-upstream-packets", name, `There is no upstream for this group, and ${nothing}.`, ...doubt);
  const notAsked = notAskedText(upstream);
  if (notAsked !== undefined)
    return no(
      "upstream-not-asked",
      name,
      `${upstream.name} is not asked for ${formatIpv4(group)}: ${notAsked}.`,
      ...doubt,
    );
  const asks = upstream.isAsked
    ? `Somebody asks on ${upstream.name} and is answered.`
    : `Nobody asks on ${upstream.name}; the reports are repeated as \`refresh\` says.`;
  return no("no-upstream-packets", name, `${upstream.name} is asked for the group, but ${nothing}.`, asks, ...doubt);
}

function notAskedText({ isUp, mayJoin, standing }: NonNullable<DeliveryPath["upstream"]>): string | undefined {
  if (!isUp) return "it is not in use (down, gone or without an address)";
  if (!mayJoin) return "its filter (`allow`, `deny`) does not let the group through";
  if (standing === "waiting") return "the join waits for its turn (`changesPerSecond`)";
  return standing === "unknown" ? "the downstreams together want nothing of it" : undefined;
}

/** There are streams, and none of them is led to the interface. */
function leadsNowhere(name: string, group: Ipv4, { streams }: DeliveryPath): WhyAnswer | undefined {
  const [first] = streams;
  if (first === undefined || streams.some(({ lack }) => lack === undefined)) return undefined;
  const { route, lack } = first;
  const stream = `${formatIpv4(group)} from ${formatIpv4(route.source)}`;
  switch (lack) {
    case "inbound":
      return no(
        "inbound",
        name,
        `${stream} comes in on ${name} itself: the host gets it there, or not, without this router.`,
      );
    case "boundary":
      return no(
        "upstream-not-asked",
        name,
        `${stream} comes in on ${route.inbound}, whose filter (\`allow\`, \`deny\`) does not let it through.`,
      );
    case "not-wanted":
      return no(
        "source-not-wanted",
        name,
        `${stream} comes in on ${route.inbound}, but nobody on ${name} asks for this source.`,
      );
    case "denied":
      return no("denied", name, `${stream} may not be received on ${name}: its \`allow\` and \`deny\` say so.`);
    case "not-forwarder":
      return no("lost-election", name, `${stream} is led to ${name} by the router that won the election there.`);
    case undefined:
      return undefined;
  }
}

/** Two looks at the kernel's counters, a second apart. */
async function flow(parts: StatusParts, name: string, group: Ipv4): Promise<WhyAnswer> {
  const before = usesOf(parts, group);
  await new Promise<void>((resolve) => void parts.clock.alarm(after(parts.clock.now(), LOOK), resolve));
  const leading = parts.router.routes().filter((route) => route.group === group && route.outbound.includes(name));
  const uses = usesOf(parts, group);
  const counted = leading.map((route) => {
    const [then, now] = [before, uses].map((all) => all.find(({ source }) => source === route.source));
    return { route, then, now };
  });
  const flowing = counted.find(({ then, now }) => (now?.packets ?? 0) > (then?.packets ?? 0));
  if (flowing !== undefined) return delivered(name, group, flowing);
  if (leading.length === 0)
    return no(
      "no-upstream-packets",
      name,
      `The last route of ${formatIpv4(group)} to ${name} ended just now: nothing came over it.`,
    );
  const [standing] = counted.filter(({ now }) => now !== undefined);
  if (standing?.now === undefined)
    return no(
      "entry-missing",
      name,
      `The kernel has no forwarding entry for ${formatIpv4(group)} that leads to ${name}, though this router has made one.`,
    );
  return standsStill(name, group, standing.route.inbound, standing.then, standing.now);
}

const usesOf = ({ table }: StatusParts, group: Ipv4): readonly RouteUse[] =>
  (table?.use() ?? []).filter((use) => use.group === group);

interface Counted {
  readonly route: { readonly source: Ipv4; readonly inbound: string };
  readonly then: RouteUse | undefined;
  readonly now: RouteUse | undefined;
}

function delivered(name: string, group: Ipv4, { route, then, now }: Counted): WhyAnswer {
  const [packets, bytes] = [(now?.packets ?? 0) - (then?.packets ?? 0), (now?.bytes ?? 0) - (then?.bytes ?? 0)];
  return {
    delivered: true,
    verdict: "delivered",
    interface: name,
    sentences: [
      `${formatIpv4(group)} is delivered on ${name}: ${packets} packets, ${Math.round(bytes / 125)} kbit in the last second, from ${formatIpv4(route.source)} by ${route.inbound}.`,
      `Since the entry was made: ${now?.packets ?? 0} packets.`,
      "If there is no picture, look behind this router: at switches that snoop, at the host itself.",
    ],
  };
}

function standsStill(name: string, group: Ipv4, inbound: string, then: RouteUse | undefined, now: RouteUse): WhyAnswer {
  const strays = now.wrong - (then?.wrong ?? 0);
  const elsewhere =
    strays > 0 ? [`${strays} packets of it came in on another interface than ${inbound}, and go nowhere.`] : [];
  return no(
    "no-upstream-packets",
    name,
    `No packet of ${formatIpv4(group)} came in on ${inbound} in the last second; ${now.packets} had since the entry was made.`,
    ...elsewhere,
  );
}
