// What the parts of a router say, as effects of the router; and in which order they are to be done.
import type { Address } from "../base/address.ts";
import type { RuleName } from "../igmp/admission.ts";
import type { MulticastHostEffect } from "../igmp/host/host.ts";
import { isRefused } from "../igmp/host-tracking.ts";
import type { RouterInterfaceEffect } from "../igmp/interface-events.ts";
import type { MembershipWire } from "../igmp/wire.ts";
import type { RouterDrop, RouterEffect } from "./options.ts";
import type { RouteEffect } from "./routes.ts";
import type { Upstream } from "./upstream.ts";

/** Something on an interface had no effect. */
export const drop = (name: string, reason: RouterDrop): RouterEffect<never> => ({ kind: "drop", name, reason });

/** The kernel is to forget a stream, and to ask again. */
export const unroute = <A extends Address>({
  source,
  group,
}: {
  readonly source: A;
  readonly group: A;
}): RouteEffect<A> => ({
  kind: "unroute",
  source,
  group,
});

/** What of a drop is evidence: a join that was not honoured. */
export function refusal<A extends Address>(
  name: string,
  drop: RouterInterfaceEffect<A> & { kind: "drop" },
): readonly RouterEffect<A>[] {
  const { reason, host, group, rule } = drop;
  if (host === undefined || !isRefused(reason)) return [];
  return [{ kind: "refused", name, host, group, reason: rule === undefined ? reason : ruleReason(reason, rule) }];
}

/** A list of an interface has no name of its own. */
function ruleReason(reason: string, { place, origin }: RuleName): string {
  if (typeof place !== "number") return reason;
  return origin === "file" ? `policy.rule-${place}` : `policy.control-rule-${place}`;
}

/** The same statistics as downstream: what passed the gate, whether our host part heeds it or not. */
export function heardUpstream<A extends Address>(
  wire: MembershipWire<A>,
  name: string,
  bytes: Uint8Array,
): readonly RouterEffect<A>[] {
  const packet = wire.check(bytes);
  if (typeof packet === "string") return [];
  return [{ kind: "heard", name, message: packet.kind, group: wire.headGroup(packet), unfilled: packet.unfilled }];
}

/** What our host part upstream says. */
export const fromHost = <A extends Address>(
  { name }: Upstream<A>,
  effects: readonly MulticastHostEffect[],
): RouterEffect<A>[] => effects.map((effect) => upstreamEffect(name, effect));

function upstreamEffect<A extends Address>(name: string, effect: MulticastHostEffect): RouterEffect<A> {
  switch (effect.kind) {
    case "send":
      return { ...effect, name };
    case "mode":
      return { kind: "upstream-mode", name, version: effect.version };
    case "drop":
      return drop(name, effect.reason);
  }
}

/** A packet waits for the kernel's routes, and a querier for packets; names, logs and evidence can wait. */
export function routesFirst<A extends Address>(effects: readonly RouterEffect<A>[]): readonly RouterEffect<A>[] {
  if (effects.length < 2) return effects;
  return [
    ...effects.filter(isRoute),
    ...effects.filter(isSent),
    ...effects.filter((one) => !isRoute(one) && !isSent(one)),
  ];
}

/** Whether it is for others to hear. */
export const isSent = <A extends Address>({ kind }: RouterEffect<A>): boolean =>
  kind === "send" || kind === "send-port";

const isRoute = <A extends Address>({ kind }: RouterEffect<A>): boolean =>
  kind === "route" || kind === "ready" || kind === "unroute" || kind === "passes";
