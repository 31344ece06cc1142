// `status --why` of a member: what stands between it and the stream, from the interface to the kernel's counters.
import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { after, seconds } from "../../core/base/time.ts";
import type { RuleName } from "../../core/igmp/admission.ts";
import type { RouteUse } from "../../core/ports/forwarding.ts";
import type { DeliveryPath } from "../../core/router/delivery-path.ts";
import { proxied } from "./config.ts";
import { type StatusParts, secondsSince } from "./status-of.ts";
import { down, no, type Question, ruleName, type WhyAnswer, whoText } from "./why-words.ts";

/** Between the two looks at the kernel's counters. */
const LOOK = seconds(1);

/**
 * Of a host that is to get the group, because of what `claim` says: what stands between it and the stream. Resolves after a second when
 * the kernel's counters are looked at.
 */
export async function path(parts: StatusParts, { group }: Question, name: string, claim: string): Promise<WhyAnswer> {
  const facts = parts.router.path(parts.clock.now(), name, group);
  if (facts === undefined) throw new RangeError(`no downstream ${name}`);
  const blocked = blockedAt(parts, name, group, facts) ?? leadsNowhere(parts, name, group, facts);
  const answer = blocked ?? (await flow(parts, name, group));
  return { ...answer, sentences: [...answer.sentences, claim] };
}

/** What stops every stream of the group on its way to the interface. */
function blockedAt(parts: StatusParts, name: string, group: Ipv4, facts: DeliveryPath): WhyAnswer | undefined {
  const { isUp, deniedBy, isForwarder, querier, streams } = facts;
  if (!isUp) return down(name);
  if (deniedBy !== undefined) return denied(name, formatIpv4(group), deniedBy);
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
      `\`forwarding\` is ${parts.config.forwarding}: this router asks and keeps evidence, the machine bridges. It does not see packets.`,
      ...askedBehindPorts(parts, name, group),
    );
  return streams.length === 0 ? noStream(parts, name, group, facts) : undefined;
}

const denied = (name: string, what: string, rule: RuleName): WhyAnswer =>
  no("denied", name, `${what} may not be received on ${name}: ${ruleName(rule)} denies it to everybody there.`);

/** Where a bridge's hosts are spoken for: which routers are told of the group. */
function askedBehindPorts({ config, router, clock }: StatusParts, name: string, group: Ipv4): readonly string[] {
  if (!proxied(config).some((one) => one.interface === name)) return [];
  const told = router.proxied(clock.now(), name);
  if (told === undefined)
    return ["Routers behind its ports hear the hosts themselves: hosts' reports are not kept from them now."];
  const asked = told.filter(({ groups }) => groups.some((one) => one.group === group));
  if (asked.length === 0) return [`No router behind its ports is asked for ${formatIpv4(group)}.`];
  const where = asked.map(
    ({ port, version, isAsked }) => `${port} (IGMPv${version}, ${isAsked ? "it asks" : "it does not ask"})`,
  );
  return [`In place of the hosts, routers are asked for ${formatIpv4(group)} by ${where.join(", ")}.`];
}

function noStream(parts: StatusParts, name: string, group: Ipv4, { upstream, withoutRoom }: DeliveryPath): WhyAnswer {
  const [refused] = withoutRoom;
  if (refused !== undefined) {
    const stream = `${formatIpv4(group)} from ${formatIpv4(refused.source)}`;
    return no(
      "no-room",
      name,
      `${stream} came in on ${refused.inbound} and found no room among the routes (\`maxRoutes\`, \`maxRoutesPerSource\`).`,
    );
  }
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
function leadsNowhere(
  { router }: StatusParts,
  name: string,
  group: Ipv4,
  { streams }: DeliveryPath,
): WhyAnswer | undefined {
  const [first] = streams;
  if (first === undefined || streams.some(({ lack }) => lack === undefined)) return undefined;
  const { route, lack } = first;
  const stream = `${formatIpv4(group)} from ${formatIpv4(route.source)}`;
  switch (lack) {
    case "foreign":
      return no(
        "foreign-source",
        name,
        `${stream} comes in on ${route.inbound}, from where this source may not send (\`sources\`, or the subnets of the interface).`,
      );
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
    case "denied": {
      const rule = router.denial(name, group, route.source);
      return rule && denied(name, stream, rule);
    }
    case "not-forwarder":
      return no("lost-election", name, `${stream} is led to ${name} by the router that won the election there.`);
    case undefined:
      return undefined;
  }
}

/** Two looks at the kernel's counters, a second apart. */
async function flow(parts: StatusParts, name: string, group: Ipv4): Promise<WhyAnswer> {
  const [from, before] = [parts.clock.now(), usesOf(parts, group)];
  await new Promise<void>((resolve) => void parts.clock.alarm(after(from, LOOK), resolve));
  const leading = parts.router.routes().filter((route) => route.group === group && route.outbound.includes(name));
  const uses = usesOf(parts, group);
  const counted = leading.map((route) => {
    const [then, now] = [before, uses].map((all) => all.find(({ source }) => source === route.source));
    return { route, then, now };
  });
  const flowing = counted.find(({ then, now }) => (now?.packets ?? 0) > (then?.packets ?? 0));
  if (flowing !== undefined) return delivered(name, group, flowing, (parts.clock.now() - from) / 1000);
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

function delivered(name: string, group: Ipv4, { route, then, now }: Counted, span: number): WhyAnswer {
  const packets = Math.round(((now?.packets ?? 0) - (then?.packets ?? 0)) / span);
  const kbit = Math.round(((now?.bytes ?? 0) - (then?.bytes ?? 0)) / 125 / span);
  return {
    delivered: true,
    verdict: "delivered",
    interface: name,
    sentences: [
      `${formatIpv4(group)} is delivered on ${name} now: ${packets} packets/s, ${kbit} kbit/s from ${formatIpv4(route.source)} by ${route.inbound}.`,
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
