// What is wrong with a router, in words, from its own status: what an operator is to read first.
import type { DownstreamStatus, HostStatus, ProxiedStatus, RouterStatus, UpstreamStatus } from "./status.ts";

type Told = Omit<RouterStatus, "warnings">;

/** One sentence each, the gravest first; text from outside as it is. */
export function warningsOf(status: Told): readonly string[] {
  const upstreams = status.upstreams ?? (status.upstream === undefined ? [] : [status.upstream]);
  return [
    ...[...upstreams, ...status.interfaces]
      .filter(({ up }) => !up)
      .map(({ name }) => `${name} is not in use: it is waited for`),
    ...guardLacking(status),
    ...policyLacking(status),
    ...controlLacking(status),
    ...status.interfaces
      .filter(({ guarded }) => guarded === false)
      .map(({ name }) => `${name} has no bridge ports that could be guarded: what one host there may have, all get`),
    ...status.interfaces.flatMap(roomTaken),
    ...status.interfaces.flatMap(newHostsWaiting),
    ...status.interfaces.flatMap(electionsLost),
    ...status.interfaces.flatMap(refusedQueries),
    ...status.intruders.map(
      ({ interface: name, source, expected, times, ...where }) =>
        `${name}: ${source}${whereText(where)} sends under an address that is not of this interface, told ${times} times${expected === undefined ? "" : `; it is expected from ${expected}`}`,
    ),
    ...lostUpcalls(status),
    ...[...upstreams, ...status.interfaces].flatMap(losses),
    ...status.interfaces.flatMap(tapsAway),
    ...status.interfaces.flatMap(portsTogether),
    ...status.interfaces.flatMap(staticsHeldBack),
    ...driversPassedOver(status),
  ];
}

/** " (02:00:00:00:00:01, port lan3)", with what of it is known. */
export function whereText({ mac, port }: Pick<HostStatus, "mac" | "port">): string {
  const parts = [mac, port === undefined ? undefined : `port ${port}`].filter((part) => part !== undefined);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

const SOUND: ReadonlySet<string> = new Set(["guarded", "not guarded", "nothing to guard"]);

/** Whether the guard of the bridge ports is as it is to be; see `EnforceStatus.ports`. */
export const isSound = (guard: string): boolean => SOUND.has(guard);

function guardLacking({ enforce }: Told): readonly string[] {
  if (enforce === undefined) return [];
  const { ports, stands, cards } = enforce;
  return [
    ...(isSound(ports) ? [] : [`the bridge ports are not guarded as they should be (${ports}): it is tried again`]),
    ...(stands || cards === 0 ? [] : ["no word of control stands on who may receive: `enforce.afterwards` decides"]),
  ];
}

function policyLacking({ policy: { refused, remarks } }: Told): readonly string[] {
  const [first, ...more] = refused?.faults ?? [];
  const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
  return [
    ...(refused === undefined ? [] : [`control's policy ${refused.revision} is not in force: ${first}${others}`]),
    ...remarks.map((remark) => `control's policy: ${remark}`),
  ];
}

const KEPT: ReadonlySet<string> = new Set(["on disk", "in memory"]);

/** What came to nothing so far is the log's to tell; before the first attempt has ended nothing is wrong. */
function controlLacking({ control }: Told): readonly string[] {
  if (control === undefined) return [];
  const { brokerFault, evidence, waiting, drops } = control;
  const summed = drops["report.queue-full"] ?? 0;
  return [
    ...(brokerFault === undefined ? [] : [`control is not reached, and ${waiting} of evidence wait: ${brokerFault}`]),
    ...(KEPT.has(evidence) ? [] : [`evidence is not kept on the disk: a restart would lose it (${evidence})`]),
    ...(summed === 0 ? [] : [`${summed} changes of evidence waited for so long that only their number is left`]),
  ];
}

function electionsLost({ name, querier, snooping }: DownstreamStatus): readonly string[] {
  // Who speaks to routers as a host leaves the questions to them.
  if (querier.state !== "non-querier" || snooping?.proxied !== undefined) return [];
  return [`${name}: the querier election is lost to ${querier.address ?? "nobody known"}${whereText(querier)}`];
}

function roomTaken({ name, groups: { length }, maxGroups }: DownstreamStatus): readonly string[] {
  if (length >= maxGroups) return [`${name}: no room for groups (${maxGroups}): nobody gets one that is not there yet`];
  if (2 * length < maxGroups) return [];
  return [`${name}: ${length} of ${maxGroups} groups are there: the rest is kept for hosts that bring few`];
}

function newHostsWaiting({ name, newHosts }: DownstreamStatus): readonly string[] {
  const total = newHosts.reduce((sum, { waiting }) => sum + waiting, 0);
  if (total === 0) return [];
  const ports = newHosts.flatMap(({ port, waiting }) => (port === undefined ? [] : [`${waiting} behind port ${port}`]));
  return [`${name}: ${total} new hosts wait to be let in${ports.length === 0 ? "" : `, ${ports.join(", ")}`}`];
}

const REFUSED_QUERY = /^igmp\.query-(?!length|truncated|sources)/;

function refusedQueries({ name, drops }: DownstreamStatus): readonly string[] {
  return Object.entries(drops)
    .filter(([reason]) => REFUSED_QUERY.test(reason))
    .map(([reason, times]) => `${name}: ${times} queries of somebody who may not ask there (${reason})`);
}

function lostUpcalls({ lostUpcalls: lost = 0 }: Told): readonly string[] {
  return lost === 0 ? [] : [`${lost} questions of the kernel about new streams were lost in its queue`];
}

function losses({ name, lost: { packets = 0, frames = 0 } }: DownstreamStatus | UpstreamStatus): readonly string[] {
  return [
    ...(packets === 0 ? [] : [`${name}: ${packets} IGMP packets were lost in the kernel's queue`]),
    ...(frames === 0 ? [] : [`${name}: ${frames} frames of its bridge ports were lost in the kernel's queue`]),
  ];
}

function tapsAway({ name, taps }: DownstreamStatus): readonly string[] {
  return Object.entries(taps)
    .filter(([, state]) => state !== "listening" && state !== "starting")
    .map(([port, state]) => `${name}: nothing is heard from bridge port ${port} (${state})`);
}

function portsTogether({ name, snooping }: DownstreamStatus): readonly string[] {
  if (snooping === undefined || snooping.state === "waiting") return [];
  if (snooping.state !== "kept")
    return [`${name}: its bridge ports get what the bridge gives them, not what each asked for (${snooping.state})`];
  return notProxied(name, snooping.proxied);
}

function notProxied(name: string, proxied: ProxiedStatus | undefined): readonly string[] {
  switch (proxied?.state) {
    case undefined:
    case "in force":
    case "starting":
      return [];
    case "no router":
      return [
        `${name}: no router is known behind its ports, so that nobody is told what its hosts want (\`routerPorts\`)`,
      ];
    default:
      return [`${name}: routers hear its hosts themselves, and not us in their place (${proxied?.state})`];
  }
}

/** Nobody has been heard to ask for them: where the bridge goes by that, it gives them to routers and to who asks by chance. */
function staticsHeldBack({ name, staticGroups, snoops, snooping }: DownstreamStatus): readonly string[] {
  const [first, ...more] = staticGroups;
  if (first === undefined || snoops !== true || snooping?.state === "kept") return [];
  const others = more.length === 0 ? "" : ` and ${more.length} more`;
  return [
    `${name}: the bridge snoops by itself, and gives the static group ${first.group}${others} only to ports that ask (\`downstreams.snooping\`)`,
  ];
}

/** What the configuration itself has passed over is as the operator wants it. */
function driversPassedOver({ drivers = {} }: Told): readonly string[] {
  return Object.entries(drivers).flatMap(([port, { driver, passedOver = {}, lacks }]) => {
    const failed = Object.entries(passedOver).filter(([, why]) => !why.startsWith("the configuration wants "));
    if (failed.length === 0) return [];
    const missing = lacks === undefined ? "" : `; what it lacks: ${lacks}`;
    return [
      `${port} is served by ${driver}: ${failed.map(([name, why]) => `${name} did not load (${why})`).join(", ")}${missing}`,
    ];
  });
}
