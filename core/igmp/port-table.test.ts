import assert from "node:assert/strict";
import { test } from "node:test";
import { writeUint16 } from "../base/bytes.ts";
import { internetChecksum } from "../base/checksum.ts";
import { address } from "../base/ipv4.ts";
import { seconds } from "../base/time.ts";
import { at, ethernet, formatIpv4, query, readdressed, report, sources, tagged, v1v2Message } from "./igmp.testkit.ts";
import type { RouterInterfaceOptions } from "./interface-events.ts";
import { HEADER_LENGTH } from "./messages/ip-header.ts";
import { type PortDrop, type PortEffect, PortTable } from "./port-table.ts";
import { RouterInterface } from "./router-interface.ts";
import { IGMP } from "./wire.ts";

const GROUP = "239.1.1.1";
const SSM = "232.1.1.1";
const [A, B] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b"] as const;

const line = (effect: PortEffect | PortDrop): string => {
  if (effect.kind === "drop") return `${effect.host.port} ${effect.reason} ${formatIpv4(effect.group)}`;
  if (effect.kind === "router-port") return `${effect.port} ${effect.present ? "router" : "no router"}`;
  const { mode, sources: named } = effect.filter;
  const what = effect.refused === true ? "refused" : `${mode} {${named.map((one) => one & 255).join(" ")}}`;
  return `${effect.port} ${formatIpv4(effect.group)} ${what}`;
};

/** A bridge whose querier we are, with the RFC's own times. */
class Bench {
  readonly machine: RouterInterface;
  readonly table: PortTable;

  constructor(options: RouterInterfaceOptions = {}) {
    this.machine = new RouterInterface(IGMP, options);
    this.table = new PortTable(this.machine, { groups: 2, sourcesPerGroup: 64 });
    this.machine.receive(at(0), { kind: "up", address: address("10.0.0.1") });
  }

  hear(s: number, port: string, packet: Uint8Array, mac: string = A): string[] {
    return this.table.frame(at(s), { port, bytes: ethernet(mac, packet) }).map(line);
  }

  /** By the interface too. */
  say(s: number, port: string, packet: Uint8Array, mac: string = A): void {
    const bytes = ethernet(mac, packet);
    this.machine.receive(at(s), { kind: "frame", port, bytes });
    this.machine.receive(at(s), { kind: "packet", bytes: packet, mac });
    this.table.frame(at(s), { port, bytes });
  }

  poll(s: number): string[] {
    return this.table.poll(at(s)).map(line);
  }
}

test("RFC 4541 2.1.2 (1): each port gets what its own hosts asked for, down to the source", () => {
  const bench = new Bench();
  assert.deepEqual(bench.hear(1, "a", v1v2Message("v2Report", "10.0.0.11", GROUP)), [`a ${GROUP} exclude {}`]);
  assert.deepEqual(bench.hear(1, "a", v1v2Message("v2Report", "10.0.0.11", GROUP)), [], "told once");
  assert.deepEqual(bench.hear(2, "b", report("10.0.0.12", ["allow", SSM, ...sources(1, 2)])), [
    `b ${SSM} include {1 2}`,
  ]);
  assert.deepEqual(bench.hear(3, "a", report("10.0.0.11", ["allow", SSM, ...sources(3)])), [`a ${SSM} include {3}`]);
  assert.deepEqual(
    bench.table.view(at(3)).map(({ port, router, groups }) => [port, router, groups.length]),
    [
      ["a", false, 2],
      ["b", false, 1],
    ],
  );
});

test("a leave ends the group on its port after the last-member query time, and on no other", () => {
  const bench = new Bench();
  for (const port of ["a", "b"]) bench.hear(1, port, v1v2Message("v2Report", "10.0.0.11", GROUP));
  assert.deepEqual(bench.hear(10, "a", v1v2Message("leave", "10.0.0.11", GROUP)), []);
  assert.equal(bench.table.nextDeadline(), at(11), "the second question of the link's querier is counted with");
  assert.deepEqual([bench.poll(11), bench.poll(11.9), bench.poll(12)], [[], [], [`a ${GROUP} include {}`]]);
});

test("two viewers behind one port: who answers the question keeps the group for both", () => {
  const bench = new Bench();
  bench.hear(1, "a", v1v2Message("v2Report", "10.0.0.11", GROUP));
  bench.hear(10, "a", v1v2Message("leave", "10.0.0.11", GROUP));
  bench.hear(10.5, "a", v1v2Message("v2Report", "10.0.0.12", GROUP), B);
  assert.deepEqual([bench.poll(11), bench.poll(13)], [[], []]);
  assert.deepEqual(bench.poll(270.5), [`a ${GROUP} include {}`], "until nobody has reported it for 260 s");
});

test("a question of another querier about a group ends it on the ports that do not answer", () => {
  const bench = new Bench();
  for (const port of ["a", "b"]) bench.hear(1, port, v1v2Message("v2Report", "10.0.0.11", GROUP));
  const about = query("10.0.0.9", { group: address(GROUP), maxResponse: seconds(1) });
  assert.deepEqual(bench.hear(5, "up", about), ["up router"]);
  bench.hear(5.2, "b", v1v2Message("v2Report", "10.0.0.12", GROUP), B);
  assert.deepEqual(bench.poll(7), [`a ${GROUP} include {}`]);
});

test("a question that nobody hears, or that does not count on the interface, ends nothing and shows no router", () => {
  const bench = new Bench();
  bench.hear(1, "a", v1v2Message("v2Report", "10.0.0.11", GROUP));
  const about = query("10.0.0.9", { group: address(GROUP), maxResponse: seconds(1) });
  assert.deepEqual(bench.hear(2, "up", readdressed(about, { to: "224.0.0.99" })), []);
  const frame = ethernet(A, about);
  frame.set([2, 0, 0, 0, 0, 1], 0);
  assert.deepEqual(bench.table.frame(at(2), { port: "up", bytes: frame }), []);
  assert.deepEqual(bench.hear(2, "up", query("0.0.0.0", { group: address(GROUP), maxResponse: seconds(1) })), []);
  assert.deepEqual(bench.poll(20), []);
  assert.deepEqual(
    bench.table.view(at(20)).map(({ port, groups }) => [port, groups.length]),
    [["a", 1]],
  );
});

test("what another VLAN says on the port is none of this bridge's groups and routers", () => {
  const bench = new Bench();
  for (const packet of [v1v2Message("v2Report", "10.0.0.11", GROUP), query("10.0.0.9")])
    assert.deepEqual(bench.table.frame(at(1), { port: "a", bytes: tagged(ethernet(A, packet), 20) }), []);
  assert.deepEqual(bench.table.view(at(1)), []);
});

test("what has no tag on a port where that means another VLAN is none of this bridge's either", () => {
  const bench = new Bench();
  for (const packet of [v1v2Message("v2Report", "10.0.0.11", GROUP), query("10.0.0.9")])
    for (const pvid of [false, true]) {
      const effects = bench.table.frame(at(1), { port: "a", bytes: ethernet(A, packet), lan: { vlan: 20, pvid } });
      assert.equal(effects.length, pvid ? 1 : 0);
    }
});

test("RFC 4541 2.1.1 (1): a router is behind a port with queries, until it has been silent for 255 s; 0.0.0.0 is a switch", () => {
  const bench = new Bench();
  assert.deepEqual(bench.hear(1, "up", query("0.0.0.0")), []);
  assert.deepEqual(bench.hear(2, "up", query("10.0.0.9")), ["up router"]);
  assert.deepEqual(bench.hear(100, "up", query("10.0.0.9")), []);
  assert.deepEqual([bench.poll(354), bench.poll(355)], [[], ["up no router"]]);
});

/** RFC 4286 section 3, in the header that IGMP has. */
function discovery(type: number): Uint8Array {
  const packet = v1v2Message("leave", "10.0.0.9", GROUP);
  packet.set([type, 20, 0, 0, 0, 0, 0, 0], HEADER_LENGTH);
  writeUint16(packet, HEADER_LENGTH + 2, internetChecksum(packet, HEADER_LENGTH));
  return packet;
}

test("RFC 4286: an advertisement says that a router is there, a termination that it is gone", () => {
  const bench = new Bench();
  assert.deepEqual(bench.hear(1, "up", discovery(0x30)), ["up router"]);
  assert.deepEqual(bench.hear(2, "up", discovery(0x31)), [], "a solicitation is a switch's");
  assert.deepEqual(bench.hear(3, "up", discovery(0x32)), ["up no router"]);
  assert.deepEqual(bench.hear(4, "up", discovery(0x32)), []);
  const broken = discovery(0x30);
  broken[HEADER_LENGTH + 1] = 21;
  assert.deepEqual(bench.hear(5, "up", broken), [], "with a right checksum only (2.1.1 (5))");
});

/** A whole hello without options, from 10.0.0.9, to ALL-PIM-ROUTERS. */
function pimHello(from = "10.0.0.9", type = 0x20): Uint8Array {
  const packet = v1v2Message("leave", from, GROUP);
  packet.set([103], 9);
  packet.set([0, 0], 10);
  packet.set([224, 0, 0, 13], 16);
  writeUint16(packet, 10, internetChecksum(packet, 0, HEADER_LENGTH));
  packet.set([type, 0, 0, 0, 0, 1, 0, 0], HEADER_LENGTH);
  writeUint16(packet, HEADER_LENGTH + 2, internetChecksum(packet, HEADER_LENGTH));
  return packet;
}

test("RFC 4541 2.1.1 (1): a PIM hello (RFC 7761 4.9.2) says that a router is there; no other message, nor a broken one", () => {
  const bench = new Bench();
  const broken = pimHello().fill(0x5a, HEADER_LENGTH + 6, HEADER_LENGTH + 7);
  for (const packet of [pimHello("10.0.0.9", 0x23), pimHello("0.0.0.0"), broken, pimHello().subarray(0, 30)])
    assert.deepEqual(bench.hear(1, "up", packet), []);
  assert.deepEqual([bench.hear(2, "up", pimHello()), bench.hear(3, "up", pimHello())], [["up router"], []]);
});

test("RFC 4541 2.1.2 (2): 224.0.0.0/24 goes to every port and is not kept", () => {
  const bench = new Bench();
  assert.deepEqual(bench.hear(1, "a", v1v2Message("v2Report", "10.0.0.11", "224.0.0.251")), []);
  assert.deepEqual(bench.table.view(at(1))[0]?.groups ?? [], []);
});

test("a port has room for so many groups; what is no IGMP and what is broken has no effect", () => {
  const bench = new Bench();
  for (const [i, group] of ["239.1.1.1", "239.1.1.2", "239.1.1.3"].entries())
    assert.deepEqual(bench.hear(1, "a", v1v2Message("v2Report", "10.0.0.11", group)), [
      i < 2 ? `a ${group} exclude {}` : `a igmp.port-full ${group}`,
    ]);
  assert.equal(bench.hear(1, "b", v1v2Message("v2Report", "10.0.0.11", "239.1.1.3")).length, 1, "of each port");
  const broken = v1v2Message("v2Report", "10.0.0.11", GROUP);
  broken.fill(0x5a, HEADER_LENGTH + 3, HEADER_LENGTH + 4);
  assert.deepEqual(bench.hear(2, "c", broken), []);
  assert.deepEqual(bench.table.frame(at(2), { port: "c", bytes: Uint8Array.of(1, 2, 3) }), []);
});

test("a port gets nothing for a host that the interface refuses, whichever limit it is, but keeps what others have there", () => {
  for (const options of [{ maxGroupsPerHost: 1 }, { maxGroupsPerPort: 1 }, { maxGroups: 1 }]) {
    const bench = new Bench({ ...options, trackingSource: "frames" });
    bench.say(1, "a", v1v2Message("v2Report", "10.0.0.11", GROUP));
    const refused = bench.hear(1, "a", v1v2Message("v2Report", "10.0.0.11", "239.1.1.2"));
    assert.deepEqual(refused, ["a 239.1.1.2 refused"], JSON.stringify(options));
  }
});

test("a frame that ran ahead of a packet which is refused is taken back, unless another host behind the port has the group", () => {
  const bench = new Bench({ trackingSource: "frames" });
  const host = { address: address("10.0.0.11"), port: "a", mac: A };
  assert.deepEqual(bench.hear(1, "a", v1v2Message("v2Report", "10.0.0.11", GROUP)), [`a ${GROUP} exclude {}`]);
  assert.deepEqual(bench.table.refused(at(1), host, address(GROUP)).map(line), [`a ${GROUP} refused`]);
  bench.say(1, "a", v1v2Message("v2Report", "10.0.0.12", GROUP), B);
  assert.deepEqual(bench.table.refused(at(1), host, address(GROUP)), []);
});

test("a port that has left the bridge is forgotten, and a group of which it is proven that nobody is left", () => {
  const bench = new Bench();
  for (const port of ["a", "b"]) bench.hear(1, port, v1v2Message("v2Report", "10.0.0.11", GROUP));
  bench.hear(2, "a", query("10.0.0.9"));
  assert.deepEqual(bench.table.keep(["b"]).map(line), ["a no router", `a ${GROUP} include {}`]);
  assert.deepEqual(bench.table.endGroup(address(GROUP)).map(line), [`b ${GROUP} include {}`]);
  assert.deepEqual([bench.table.endGroup(address(GROUP)), bench.table.nextDeadline()], [[], undefined]);
});
