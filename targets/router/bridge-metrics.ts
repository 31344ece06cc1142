// Metrics of bridges: what each port hears and is sent, what the bridge makes of it, and what routers are told in place of hosts.
import { byMessage, byReason, counter, type Family, gauge, type Value, yes } from "./metric-family.ts";
import type { StatusParts } from "./status-of.ts";

/** Of all bridges; nothing where there is none. */
export const bridgeFamilies = (parts: StatusParts): readonly Family[] => [
  ...portFamilies(parts),
  ...snoopingFamilies(parts),
  ...proxyFamilies(parts),
];

function portFamilies({ statistics }: StatusParts): readonly Family[] {
  const ports = [...statistics.all()].flatMap(([name, one]) =>
    Array.from(one.ports, ([port, heard]) => [{ interface: name, port }, heard] as const),
  );
  return [
    counter(
      "port_received_messages",
      "IGMP messages that came in through a bridge port (RFC 9166).",
      ports.flatMap(([labels, { received }]) => byMessage(labels, received)),
    ),
    counter(
      "port_sent_messages",
      "IGMP messages that left by a bridge port alone.",
      ports.flatMap(([labels, { sent }]) => byMessage(labels, sent)),
    ),
    counter(
      "port_drops",
      "What came in through a bridge port and had no effect, by reason.",
      ports.flatMap(([labels, { drops }]) => byReason(labels, drops.snapshot())),
    ),
  ];
}

function snoopingFamilies({ router, bridgePorts }: StatusParts): readonly Family[] {
  const bridges = [...router.interfaces()].flatMap(([name]) => {
    const status = bridgePorts?.status(name);
    return status === undefined ? [] : [[{ interface: name }, status] as const];
  });
  return [
    gauge(
      "snooping_kept",
      "Whether each port of a bridge gets what its own hosts asked for.",
      bridges.map(([labels, { state }]) => [labels, yes(state === "kept")]),
    ),
    counter(
      "snooping_failures",
      "What the bridge refused, by reason.",
      bridges.flatMap(([labels, { counts }]) => byReason(labels, counts)),
    ),
  ];
}

function proxyFamilies({ router, clock, proxyReporting, portSender }: StatusParts): readonly Family[] {
  const names = [...router.interfaces()].map(([name]) => name);
  const ports = names.flatMap((name) =>
    (router.proxied(clock.now(), name) ?? []).map((one) => [{ interface: name, port: one.port }, one] as const),
  );
  return [
    gauge(
      "proxy_reporting",
      "Whether routers behind the ports of a bridge are told in place of its hosts.",
      names.flatMap((name): Value[] => {
        const state = proxyReporting?.state(name);
        return state === undefined ? [] : [[{ interface: name }, yes(state === "in force")]];
      }),
    ),
    gauge(
      "proxy_asked",
      "Whether a router asks behind a port where we speak for the hosts.",
      ports.map(([labels, { isAsked }]) => [labels, yes(isAsked)]),
    ),
    gauge(
      "proxy_groups",
      "Groups that the routers behind a port are told are wanted.",
      ports.map(([labels, { groups }]) => [labels, groups.length]),
    ),
    counter(
      "proxy_refreshes",
      "How often all was repeated at a port because nobody asked.",
      ports.map(([labels, { refreshes }]) => [labels, refreshes]),
    ),
    counter(
      "port_sender_failures",
      "What could not be sent by a port alone, by reason.",
      byReason({}, portSender?.counts()),
    ),
  ];
}
