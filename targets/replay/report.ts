// What a replay prints: plain JSON, and a form for a person.
import { ANY, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { instant } from "../../core/base/time.ts";
import type { Replayed, ReplayedNetwork } from "../../core/capture/replay.ts";
import type { Timeline, TimelineEntry } from "../../core/capture/timeline.ts";
import type { SourceFilter } from "../../core/igmp/filter.ts";
import type { HostMembership } from "../../core/igmp/host-table.ts";
import type { Query } from "../../core/igmp/messages/query.ts";
import { FAULT_WORDS, unreadWords } from "./words.ts";

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

/** Seconds; the S flag, QRV and QQI are of version 3 only. */
const queryJson = ({ version, group, sources, maxResponse, suppress, robustness, queryInterval }: Query) => ({
  version,
  ...(group === ANY ? {} : { group: formatIpv4(group) }),
  ...(sources.length === 0 ? {} : { sources: sources.map(formatIpv4) }),
  maxResponse: maxResponse / 1000,
  ...(version === 3 ? { suppress, qrv: robustness, qqi: queryInterval / 1000 } : {}),
});

/** One entry of the timeline; `frame` is there only for what a packet brought. */
function entryJson({ at, frame, network, ...event }: TimelineEntry) {
  const head = { ...(frame === undefined ? {} : { frame }), at: iso(at), network, event: event.kind };
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
    case "query":
      return { ...head, from: formatIpv4(event.from), query: queryJson(event.query) };
    case "own-query":
      return { ...head, query: queryJson(event.query) };
    case "drop":
      return { ...head, reason: event.reason };
  }
}

const addressJson = (address: Ipv4 | undefined) => (address === undefined ? {} : { address: formatIpv4(address) });

function networkJson({ name, igmp, machine }: ReplayedNetwork, end: number) {
  const hosts = machine.hosts();
  const memberships = machine.groups(instant(end)).map((view) => ({
    group: formatIpv4(view.group),
    ...filterJson(view.filter),
    requested: view.requested.map(formatIpv4),
    version: view.mode,
    hosts: hosts.filter((membership) => membership.group === view.group).map(hostJson),
  }));
  return { network: name, igmp, querier: querierJson(machine), memberships };
}

const querierJson = ({ querier }: ReplayedNetwork["machine"]) =>
  querier.kind === "non-querier"
    ? { kind: querier.kind, ...addressJson(querier.winner.address) }
    : { kind: querier.kind };

/** `fault`, `unread` and `timelineLeftOut` are there only where something could not be read, or kept. */
export function replayJson(replayed: Replayed, { entries, leftOut }: Timeline) {
  const { packets, igmp, types, drops, ignored, fault, unread, networks, end } = replayed;
  return {
    packets,
    igmp,
    types,
    drops,
    ignored,
    networks: networks.map((network) => networkJson(network, end)),
    timeline: entries.map(entryJson),
    ...(leftOut === 0 ? {} : { timelineLeftOut: leftOut }),
    ...(unread.length === 0 ? {} : { unread }),
    ...(fault === undefined ? {} : { fault }),
  };
}

const filterText = ({ mode, sources }: { mode: string; sources: readonly string[] }): string =>
  mode === "exclude" && sources.length === 0 ? "any source" : `${mode} {${sources.join(", ")}}`;

function queryText(query: ReturnType<typeof queryJson>): string {
  const { version, group, sources, maxResponse, suppress, qrv, qqi } = query;
  const about = group === undefined ? "general" : group + (sources === undefined ? "" : ` {${sources.join(", ")}}`);
  const times = qrv === undefined ? "" : `, QRV ${qrv}, QQI ${qqi} s${suppress ? ", S flag" : ""}`;
  return `v${version} ${about}, answers within ${maxResponse} s${times}`;
}

function detailText(entry: ReturnType<typeof entryJson>): string {
  if ("query" in entry) return `${"from" in entry ? `${entry.from}  ` : ""}${queryText(entry.query)}`;
  if ("host" in entry) {
    const { address, mac, evidence } = entry.host;
    const cause = "cause" in entry ? `, ${entry.cause}` : "";
    return `${entry.group}  ${address}${mac === undefined ? "" : ` ${mac}`}  (${evidence}${cause})`;
  }
  if ("group" in entry) return `${entry.group}  ${filterText(entry)}`;
  const { at: _at, frame: _frame, network: _network, event: _event, ...rest } = { frame: 0, ...entry };
  return Object.entries(rest)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(" ");
}

const FRAME_WIDTH = 7;

/** A line: the frame's number (nothing for what time brought), when, what; and on which network, where that is not the only one. */
export function entryText(told: TimelineEntry): string {
  const entry = entryJson(told);
  const where = told.network === "untagged" ? "" : `[${told.network}]  `;
  const frame = (told.frame === undefined ? "" : String(told.frame)).padStart(FRAME_WIDTH);
  return `${frame}  ${entry.at}  ${where}${entry.event}  ${detailText(entry)}`;
}

const countsText = (title: string, counts: Readonly<Record<string, number>>): string[] => {
  const named = Object.entries(counts).filter(([, count]) => count > 0);
  return [title, ...(named.length === 0 ? ["  none"] : named.map(([name, count]) => `  ${name.padEnd(28)}${count}`))];
};

function networkText({ network, querier, memberships }: ReturnType<typeof networkJson>): string[] {
  const asks = "address" in querier ? `${querier.address} asks` : querier.kind === "querier" ? "we ask" : "nobody asks";
  const tables = memberships.flatMap((entry) => [
    `  ${entry.group}  ${filterText(entry)}  v${entry.version}`,
    ...entry.hosts.map((host) => `    ${host.address}  ${host.mac ?? ""}  ${filterText(host)}  since ${host.since}`),
  ]);
  return [`memberships at the end, ${network} (${asks})`, ...(tables.length === 0 ? ["  none"] : tables)];
}

/** Lines for a terminal, after those of the timeline. */
export function summaryText(replayed: Replayed): string {
  const { packets, igmp, types, drops, ignored, fault, unread, networks, end } = replayed;
  return [
    ...networks.flatMap((network) => networkText(networkJson(network, end))),
    `${packets} packets, ${igmp} IGMP`,
    ...countsText("types", types),
    ...countsText("drops", drops),
    ...countsText("ignored", ignored),
    ...unread.map((part) => unreadWords(part)),
    ...(fault === undefined ? [] : [`the capture ends early: ${FAULT_WORDS[fault]} (${fault})`]),
  ].join("\n");
}
