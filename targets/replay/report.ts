// What a replay prints: plain JSON, and a form for a person.
import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { instant, type UnixTime } from "../../core/base/time.ts";
import type { Replayed, TimelineEvent } from "../../core/capture/replay.ts";
import type { SourceFilter } from "../../core/igmp/filter.ts";
import type { HostMembership } from "../../core/igmp/host-table.ts";

const iso = (at: number): string => {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? `${at}ms` : date.toISOString();
};

const filterJson = ({ mode, sources }: SourceFilter) => ({ mode, sources: sources.map(formatIpv4) });

const hostJson = ({ host, filter, since, lastSeen, message: evidence }: HostMembership) => ({
  address: formatIpv4(host.address),
  ...(host.mac === "" ? {} : { mac: host.mac }),
  since: iso(since),
  lastSeen: iso(lastSeen),
  evidence,
  ...filterJson(filter),
});

function eventJson({ at, ...event }: { readonly at: UnixTime } & TimelineEvent) {
  const head = { at: iso(at), event: event.kind };
  switch (event.kind) {
    case "host-joined":
      return { ...head, group: formatIpv4(event.membership.group), host: hostJson(event.membership) };
    case "host-left":
      return {
        ...head,
        group: formatIpv4(event.membership.group),
        host: hostJson(event.membership),
        cause: event.cause,
      };
    case "membership":
      return { ...head, group: formatIpv4(event.group), ...filterJson(event.filter) };
    case "querier":
      return { ...head, ours: event.ours, ...addressJson(event.address) };
    case "older-querier":
      return { ...head, version: event.version, ...addressJson(event.address) };
    case "drop":
      return { ...head, reason: event.reason };
    case "query":
      return head;
  }
}

const addressJson = (address: Ipv4 | undefined) => (address === undefined ? {} : { address: formatIpv4(address) });

function membershipsJson(replayed: Replayed) {
  const hosts = replayed.machine.hosts();
  return replayed.machine.groups(instant(replayed.end)).map((view) => ({
    group: formatIpv4(view.group),
    ...filterJson(view.filter),
    requested: view.requested.map(formatIpv4),
    version: view.mode,
    hosts: hosts.filter((membership) => membership.group === view.group).map(hostJson),
  }));
}

function querierJson({ machine }: Replayed) {
  const { querier } = machine;
  return querier.kind === "non-querier"
    ? { kind: querier.kind, ...addressJson(querier.winner.address) }
    : { kind: querier.kind };
}

/** `fault` is there only when the capture could not be read to its end. */
export function replayJson(replayed: Replayed) {
  const { packets, igmp, types, drops, ignored, fault, timeline, timelineLeftOut } = replayed;
  return {
    packets,
    igmp,
    types,
    drops,
    ignored,
    querier: querierJson(replayed),
    memberships: membershipsJson(replayed),
    timeline: timeline.map(eventJson),
    ...(timelineLeftOut === 0 ? {} : { timelineLeftOut }),
    ...(fault === undefined ? {} : { fault }),
  };
}

const filterText = ({ mode, sources }: { mode: string; sources: readonly string[] }): string =>
  mode === "exclude" && sources.length === 0 ? "any source" : `${mode} {${sources.join(", ")}}`;

function eventText(event: ReturnType<typeof eventJson>): string {
  const detail = Object.entries(event).filter(([key]) => key !== "at" && key !== "event");
  if ("host" in event) {
    const { address, mac, evidence } = event.host;
    const cause = "cause" in event ? `, ${event.cause}` : "";
    return `${event.at}  ${event.event}  ${event.group}  ${address}${mac === undefined ? "" : ` ${mac}`}  (${evidence}${cause})`;
  }
  if ("group" in event) return `${event.at}  ${event.event}  ${event.group}  ${filterText(event)}`;
  return `${event.at}  ${event.event}  ${detail.map(([key, value]) => `${key}=${String(value)}`).join(" ")}`;
}

const countsText = (title: string, counts: Readonly<Record<string, number>>): string[] => {
  const named = Object.entries(counts).filter(([, count]) => count > 0);
  return [title, ...(named.length === 0 ? ["  none"] : named.map(([name, count]) => `  ${name.padEnd(28)}${count}`))];
};

/** Lines for a terminal. */
export function replayText(replayed: Replayed): string {
  const json = replayJson(replayed);
  const tables = json.memberships.flatMap((entry) => [
    `  ${entry.group}  ${filterText(entry)}  v${entry.version}`,
    ...entry.hosts.map((host) => `    ${host.address}  ${host.mac ?? ""}  ${filterText(host)}  since ${host.since}`),
  ]);
  return [
    `${json.packets} packets, ${json.igmp} IGMP`,
    ...countsText("types", json.types),
    ...countsText("drops", json.drops),
    ...countsText("ignored", json.ignored),
    "timeline",
    ...json.timeline.map((event) => `  ${eventText(event)}`),
    ...(replayed.timelineLeftOut === 0 ? [] : [`  and ${replayed.timelineLeftOut} more`]),
    "memberships at the end",
    ...(tables.length === 0 ? ["  none"] : tables),
    ...(json.fault === undefined ? [] : [`the capture ends early: ${json.fault}`]),
  ].join("\n");
}
