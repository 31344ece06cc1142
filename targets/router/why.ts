// `status --why GROUP HOST`: whether the group reaches the host, and if not, the first thing that stands in its way, with the evidence.
import { formatIpv4, type Ipv4, isLinkLocalMulticast, isMulticast, parseIpv4 } from "../../core/base/ipv4.ts";
import { inSubnet } from "../../core/base/subnet.ts";
import type { Instant } from "../../core/base/time.ts";
import type { TrackedHost } from "../../core/igmp/host-shares.ts";
import type { Refusal } from "../../core/router/refusals.ts";
import { CommandRefused } from "../shared/admin.ts";
import { type StatusParts, secondsSince } from "./status-of.ts";
import { ended, isLimit, notJoined, nowhere, refused } from "./why-host.ts";
import { path } from "./why-path.ts";
import { ago, type Named, type Question, type Standing, type WhyAnswer, whoText } from "./why-words.ts";

/**
 * Takes a group and a host (IPv4 address, MAC or bridge port) as text. Resolves after a second when the counters are looked at.
 * Rejects with CommandRefused for what is neither, and with what the forwarding driver throws.
 */
export async function why(parts: StatusParts, input: unknown): Promise<WhyAnswer> {
  const question = questionIn(input);
  const standing = standingOf(parts, question);
  if (standing.kind !== "member" && standing.kind !== "unknown" && isStatic(parts, standing.name, question.group))
    return path(parts, question, standing.name, `It is a static group of ${standing.name}: whoever is there gets it.`);
  switch (standing.kind) {
    case "member":
      return path(parts, question, standing.name, memberText(parts, standing));
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

const isStatic = ({ router, clock }: StatusParts, name: string, group: Ipv4): boolean =>
  router.path(clock.now(), name, group)?.isStatic === true;

function memberText(parts: StatusParts, { name, membership }: Standing & { readonly kind: "member" }): string {
  const { host, group, since, lastSeen } = membership;
  const span = `for ${secondsSince(parts.clock, since)} s, last heard ${ago(parts, lastSeen)}`;
  return `${whoText(parts, name, host)} is a member of ${formatIpv4(group)} on ${name} ${span}.`;
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
    // Where taps tell who is a member and one of them is away, its hosts are known by their packets alone.
    memberships: [...machine.hosts(), ...machine.members()].filter((one) => isMeant(parts, host, name, one.host)),
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

/** Nothing was delivered for want of these; what they say is that tracking does not know everything. */
const NO_REFUSALS: ReadonlySet<string> = new Set(["tracking.full", "tracking.too-many-sources"]);

/** A limit refuses whatever its host asks for. The packet's refusal says more than that of its frame. */
function lastRefusal(parts: StatusParts, group: Ipv4, host: Named): Past | undefined {
  const all = [...parts.statistics.refusals.recent(), ...waiting(parts)]
    .sort((a, b) => b.last - a.last)
    .filter(({ reason }) => !NO_REFUSALS.has(reason))
    .filter((one) => one.group === undefined || one.group === group || isLimit(one.reason))
    .filter(({ name, host: who }) => isMeant(parts, host, name, who));
  const refusal = all.find(({ reason }) => reason !== "tracking.refused") ?? all[0];
  return refusal && { at: refusal.last, standing: { kind: "refused", name: refusal.name, refusal } };
}

/** Who is new and waits, however many were refused since. */
const waiting = ({ router }: StatusParts): readonly Refusal[] =>
  Array.from(router.interfaces(), ([name, machine]) =>
    machine.waiting().map(({ host, reason, times, last }) => ({ name, host, reason, times, last })),
  ).flat();

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
