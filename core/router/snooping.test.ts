// A downstream with bridge ports in the whole router: what ports get, policy, and questions when the bridge changes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { address, formatIpv4 } from "../base/ipv4.ts";
import { at, ethernet, middle, v1v2Message } from "../igmp/igmp.testkit.ts";
import { IGMP } from "../igmp/wire.ts";
import type { RouterEffect } from "./options.ts";
import { Router } from "./router.ts";

const GROUP = "239.1.1.1";
const MAC = "02:00:00:00:00:0a";

const lines = (effects: readonly RouterEffect[]): string[] =>
  effects.flatMap((effect) => {
    if (effect.kind === "send") return ["query"];
    if (effect.kind !== "port-membership") return [];
    return [`${effect.port} ${formatIpv4(effect.group)} ${effect.filter.mode}`];
  });

function bench(deny: readonly string[] = []) {
  const denied = deny.map((text) => ({ group: address(text), length: 32 }));
  const router = new Router(
    IGMP,
    { downstreams: [{ name: "br0", snooping: true, deny: denied }, { name: "lan1" }] },
    middle,
  );
  const feed = (s: number, event: Parameters<Router["receive"]>[1]): string[] => lines(router.receive(at(s), event));
  const bridge = (s: number, ports: readonly string[], topology = "3"): string[] =>
    feed(s, { kind: "bridge", name: "br0", ports, topology });
  const hear = (s: number, port: string, packet: Uint8Array): string[] =>
    feed(s, { kind: "frame", name: "br0", port, bytes: ethernet(MAC, packet) });
  bridge(0, ["a", "b"]);
  feed(0, { kind: "link", name: "br0", address: address("10.0.0.1"), trackingSource: "frames" });
  // The questions of the start are over (8.6).
  router.poll(at(32));
  return { router, feed, bridge, hear };
}

test("RFC 4541 2.1.1 (4): all are asked at once when the bridge changes; changes within a second are one more question", () => {
  const { router, bridge } = bench();
  assert.deepEqual(bridge(40, ["a", "b"]), [], "as before");
  assert.deepEqual(bridge(41, ["a", "b", "c"]), ["query"]);
  assert.deepEqual(bridge(41.2, ["a", "b", "c"], "4"), []);
  assert.deepEqual(bridge(41.5, ["a", "b", "c"], "3"), []);
  assert.equal(router.nextDeadline(), at(42));
  assert.deepEqual([lines(router.poll(at(42))), lines(router.poll(at(43)))], [["query"], []]);
});

test("a tap that was deaf asks too; a downstream whose ports are not kept asks nothing", () => {
  const { feed } = bench();
  assert.deepEqual(feed(40, { kind: "ask-all", name: "br0" }), ["query"]);
  for (const name of ["lan1", "none"]) {
    assert.deepEqual(feed(41, { kind: "ask-all", name }), []);
    assert.deepEqual(feed(41, { kind: "bridge", name, ports: ["x"], topology: "" }), []);
  }
});

test("what a port may not receive it does not get, and a changed policy is told for what is there", () => {
  const { router, feed, hear } = bench(["239.1.1.2"]);
  assert.deepEqual(hear(40, "a", v1v2Message("v2Report", "10.0.0.11", GROUP)), [`a ${GROUP} exclude`]);
  assert.deepEqual(hear(40, "a", v1v2Message("v2Report", "10.0.0.11", "239.1.1.2")), ["a 239.1.1.2 include"]);
  const downstreams = [{ name: "br0", snooping: true, deny: [{ group: address(GROUP), length: 32 }] }];
  assert.deepEqual(
    feed(41, { kind: "configure", downstreams }).filter((line) => line.startsWith("a")),
    [`a ${GROUP} include`],
  );
  assert.deepEqual(lines(router.portMemberships(at(41), "br0")), [`a ${GROUP} include`]);
  assert.deepEqual(
    router.ports(at(41), "br0")?.map(({ port }) => port),
    ["a"],
  );
  assert.equal(router.ports(at(41), "lan1"), undefined);
});

test("a link that goes away takes the memberships of its ports with it", () => {
  const { feed, hear } = bench();
  hear(40, "a", v1v2Message("v2Report", "10.0.0.11", GROUP));
  feed(40, { kind: "packet", name: "br0", bytes: v1v2Message("v2Report", "10.0.0.11", GROUP) });
  const cut = [
    ...feed(41, { kind: "link", name: "br0", address: undefined }),
    ...feed(400, { kind: "ask-all", name: "br0" }),
  ];
  assert.deepEqual(cut, [`a ${GROUP} include`]);
});

test("what a tap hears of PIM is no drop", () => {
  const { router } = bench();
  const pim = v1v2Message("leave", "10.0.0.9", GROUP).fill(103, 9, 10);
  const told = router.receive(at(40), { kind: "frame", name: "br0", port: "a", bytes: ethernet(MAC, pim) });
  assert.deepEqual(told, []);
});

test("frames may run ahead of all their packets: what of them is refused, its port gets no more, and status can say why", () => {
  const igmp = { maxGroupsPerHost: 1 };
  const router = new Router(IGMP, { downstreams: [{ name: "br0", snooping: true, igmp }] }, middle);
  router.receive(at(0), { kind: "link", name: "br0", address: address("10.0.0.1"), trackingSource: "frames" });
  const packets = [GROUP, "239.1.1.2"].map((group) => v1v2Message("v2Report", "10.0.0.11", group));
  const framed = packets.map((one) => ({ kind: "frame", name: "br0", port: "a", bytes: ethernet(MAC, one) }) as const);
  assert.deepEqual(
    framed.flatMap((one) => lines(router.receive(at(1), one))),
    [`a ${GROUP} exclude`, "a 239.1.1.2 exclude"],
  );
  const said = packets.flatMap((bytes) => router.receive(at(1), { kind: "packet", name: "br0", bytes, mac: MAC }));
  assert.deepEqual(lines(said), ["a 239.1.1.2 include"]);
  assert.deepEqual(
    said.flatMap((effect) => (effect.kind === "drop" ? [effect.reason] : [])),
    ["igmp.host-groups", "tracking.refused"],
  );
});
