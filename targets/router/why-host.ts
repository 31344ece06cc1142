// `status --why` of a host that is no member of the group: what was last known of it.
import { ANY, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { after, milliseconds } from "../../core/base/time.ts";
import type { TrackedHost } from "../../core/igmp/host-shares.ts";
import { type StatusParts, secondsSince } from "./status-of.ts";
import {
  ago,
  down,
  machineOf,
  type Named,
  no,
  type Question,
  ruleName,
  type Standing,
  timeText,
  type WhyAnswer,
  whoText,
} from "./why-words.ts";

/** Of a host that no downstream knows. */
export function nowhere({ router }: StatusParts, { group, text }: Question): WhyAnswer {
  const names = Array.from(router.interfaces(), ([name]) => name);
  return no(
    "not-joined",
    undefined,
    `${text} is not known: no downstream (${names.join(", ")}) has heard of it since the start, nor has any its address or port.`,
    `So it has not joined ${formatIpv4(group)} here.`,
  );
}

/** Of a host whose place is known, and that has not been heard of the group. */
export function notJoined(
  parts: StatusParts,
  question: Question,
  standing: Standing & { readonly kind: "elsewhere" | "unheard" },
): WhyAnswer {
  const { group, text } = question;
  const { name } = standing;
  if (parts.interfaces.link(name) === undefined) return down(name);
  const others = othersText(parts, name, group);
  const lacking = wouldLack(parts, question, name, standing.kind === "elsewhere" ? standing.memberships[0] : undefined);
  if (lacking !== undefined) return refusedNow(question, standing, lacking);
  if (standing.kind === "elsewhere") {
    const groups = [...new Set(standing.memberships.map((one) => formatIpv4(one.group)))].slice(0, 5);
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

/** In a flood not every refusal is remembered: whether a limit would refuse the host now, whatever it has said. */
function wouldLack(
  parts: StatusParts,
  { group, host }: Question,
  name: string,
  known: { readonly host: TrackedHost } | undefined,
): string | undefined {
  const who = known?.host ?? whoIsMeant(parts, name, host);
  const reason = machineOf(parts, name).wouldLack(parts.clock.now(), who, group);
  return reason === undefined || !LIMITS.has(reason) ? undefined : reason;
}

function whoIsMeant({ links }: StatusParts, name: string, host: Named): TrackedHost {
  const nobody = { address: ANY, mac: "", port: "" };
  switch (host.by) {
    case "address":
      return { ...nobody, address: host.address, mac: links.neighbour(name, host.address) ?? "" };
    case "mac":
      return { ...nobody, mac: host.mac };
    case "port":
      return { ...nobody, port: host.port };
  }
}

const wouldBeRefused = (reason: string): string =>
  `would be refused if it asked now: ${LIMITS.get(reason)} (${reason})`;

const refusedNow = ({ group, text }: Question, { name }: { readonly name: string }, reason: string): WhyAnswer =>
  no(
    "refused",
    name,
    `${text} is no member of ${formatIpv4(group)} on ${name}, and ${wouldBeRefused(reason)}.`,
    "Whether it has asked is not known: of many refusals only some are remembered.",
  );

/** Why nobody is asked on an interface; undefined when somebody is. */
function silenceOf(parts: StatusParts, name: string): string | undefined {
  const { lastQuery } = parts.statistics.of(name);
  const times = machineOf(parts, name).times;
  if (lastQuery === undefined) return "no query has been sent or heard since the start";
  const expected = milliseconds(times.queryInterval + times.queryResponseInterval);
  const overdue = after(lastQuery, expected) <= parts.clock.now();
  return overdue ? `no query was seen for ${secondsSince(parts.clock, lastQuery)} s` : undefined;
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

/** Of a host that was a member. */
export function ended(
  parts: StatusParts,
  question: Question,
  standing: Standing & { readonly kind: "ended" },
): WhyAnswer {
  const { group } = question;
  const { name, ended: one } = standing;
  const [who, when] = [whoText(parts, name, one.host), timeText(parts, one.at)];
  const watched = `It had been a member for ${Math.round((one.at - one.since) / 1000)} s.`;
  const lacking = wouldLack(parts, question, name, one);
  const others = lacking === undefined ? othersText(parts, name, group) : `It ${wouldBeRefused(lacking)}.`;
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
    case "revoked":
      return no(
        "refused",
        name,
        `${who} may no longer receive ${formatIpv4(group)} on ${name}, since ${when}.`,
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

/** Limits that refuse whatever their host asks for, as the configuration calls them. */
const LIMITS: ReadonlyMap<string, string> = new Map([
  ["igmp.host-groups", "it has as many groups as one host may have (`maxGroupsPerHost`)"],
  ["igmp.port-groups", "the hosts behind its port have as many groups as they may have (`maxGroupsPerPort`)"],
  ["igmp.host-sources", "it would name more sources than one host may (`maxSourcesPerHost`)"],
  ["igmp.port-sources", "the hosts behind its port would name more sources than they may (`maxSourcesPerPort`)"],
  ["igmp.host-rate", "it joins more quickly than one host may (`joinsPerSecond`)"],
  [
    "igmp.new-hosts",
    "nobody knows it, and more such hosts come than are taken at their word: it is let in when it answers a query (`newHostsPerMinute`)",
  ],
  [
    "igmp.port-new-hosts",
    "nobody knows it, and more such hosts come behind its port than are taken at their word: it is let in when it answers a query (`newHostsPerMinutePerPort`)",
  ],
  [
    "igmp.host-share",
    "the room that is left on the interface is kept for hosts that have less (`maxGroups`, `maxSourcesPerInterface`)",
  ],
  [
    "igmp.port-share",
    "the room that is left on the interface is kept for ports whose hosts have less (`maxGroups`, `maxSourcesPerInterface`)",
  ],
  [
    "igmp.port-full",
    "its bridge port has as many groups or sources as one port may have (`maxGroups`, `maxGroupsPerPort`)",
  ],
  ["igmp.too-many-groups", "the interface has as many groups as it may have (`maxGroups`)"],
  ["igmp.too-many-sources", "the interface has as many sources as it may have (`maxSourcesPerInterface`)"],
]);

/** What is said of one group. */
const POLICY: ReadonlyMap<string, string> = new Map([
  ["tracking.refused", "a rule or a limit of its host or port did not honour its packet"],
  ["policy.preview-over", "its preview is over, now or for today"],
  ["policy.previews-full", "there is no room to count another preview"],
  ["policy.unpermitted", "control does not permit its device (`enforce`)"],
  ["policy.no-word", "control has not spoken, and until it does nobody is permitted (`enforce`)"],
  ["policy.interface-bandwidth", "the group does not fit in beside what the interface carries (`bandwidth`)"],
  ["policy.port-bandwidth", "the group does not fit in beside what its port carries (`portBandwidth`)"],
  ["policy.uplink-bandwidth", "the group does not fit in beside what the uplink carries (`upstream.bandwidth`)"],
]);

/** Whether it is a limit that refuses its host whichever group it asks for. */
export const isLimit = (reason: string): boolean => LIMITS.has(reason);

/** Of a host whose join was not honoured. */
export function refused(
  parts: StatusParts,
  { group }: Question,
  { name, refusal }: Standing & { readonly kind: "refused" },
): WhyAnswer {
  const { reason, times, last, rule } = refusal;
  const who = whoText(parts, name, refusal.host);
  const cause = [
    LIMITS.get(reason) ?? POLICY.get(reason),
    rule === undefined ? undefined : `${ruleName(rule)} decides`,
  ].filter((one) => one !== undefined);
  const asked =
    refusal.group === undefined || refusal.group === group ? "" : `; the last time for ${formatIpv4(refusal.group)}`;
  return no(
    "refused",
    name,
    `${who} was refused ${formatIpv4(group)} on ${name}: ${cause.join("; ")} (${reason}).`,
    `Refused for this ${times} times, last at ${timeText(parts, last)}${asked}.`,
  );
}
