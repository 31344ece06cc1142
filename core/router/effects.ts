// What the parts of a router say, as effects of the router; and in which order they are to be done.
import type { Ipv4 } from "../base/ipv4.ts";
import type { MulticastHostEffect } from "../igmp/host.ts";
import { isRefused } from "../igmp/host-tracking.ts";
import type { RouterInterfaceEffect } from "../igmp/interface-events.ts";
import { checkPacket, headGroup } from "../igmp/packet.ts";
import type { RouterDrop, RouterEffect } from "./options.ts";
import type { RouteEffect } from "./routes.ts";
import type { Upstream } from "./upstream.ts";

/** Something on an interface had no effect. */
export const drop = (name: string, reason: RouterDrop): RouterEffect => ({ kind: "drop", name, reason });

/** The kernel is to forget a stream, and to ask again. */
export const unroute = ({ source, group }: { readonly source: Ipv4; readonly group: Ipv4 }): RouteEffect => ({
  kind: "unroute",
  source,
  group,
});

/** What of a drop is evidence: a join that was not honoured. */
export function refusal(name: string, drop: RouterInterfaceEffect & { kind: "drop" }): readonly RouterEffect[] {
  const { reason, host, group, rule } = drop;
  if (host === undefined || !isRefused(reason)) return [];
  return [{ kind: "refused", name, host, group, reason: typeof rule === "number" ? `policy.rule-${rule}` : reason }];
}

/** The same statistics as downstream: what passed the gate, whether our host part heeds it or not. */
export function heardUpstream(name: string, bytes: Uint8Array): readonly RouterEffect[] {
  const packet = checkPacket(bytes);
  if (typeof packet === "string") return [];
  return [{ kind: "heard", name, message: packet.kind, group: headGroup(packet), unfilled: packet.unfilled }];
}

/** What our host part upstream says. */
export const fromHost = ({ name }: Upstream, effects: readonly MulticastHostEffect[]): RouterEffect[] =>
  effects.map((effect) => upstreamEffect(name, effect));

function upstreamEffect(name: string, effect: MulticastHostEffect): RouterEffect {
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
export function routesFirst(effects: readonly RouterEffect[]): readonly RouterEffect[] {
  if (effects.length < 2) return effects;
  const sent = effects.filter(({ kind }) => kind === "send");
  return [...effects.filter(isRoute), ...sent, ...effects.filter((one) => !isRoute(one) && one.kind !== "send")];
}

const isRoute = ({ kind }: RouterEffect): boolean => kind === "route" || kind === "unroute" || kind === "passes";
