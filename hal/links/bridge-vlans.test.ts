// Which VLANs ports are in, from the kernel's answer; from the kernel itself where it has bridges with VLANs.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { loadSockets } from "../native.ts";
import { writeNative16, writeNative32 } from "../socket-options.ts";
import { type BridgeVlans, bridgeVlansBy, readPorts, type VlanRange } from "./bridge-vlans.ts";
import { linksBy } from "./linux.ts";
import { netlinkMonitor } from "./monitor.ts";

/** struct nlattr, padded. */
function attribute(type: number, value: Uint8Array): Buffer {
  const octets = Buffer.alloc(4 + ((value.length + 3) & ~3));
  writeNative16(octets, 0, 4 + value.length);
  writeNative16(octets, 2, type);
  octets.set(value, 4);
  return octets;
}

/** struct bridge_vlan_info as IFLA_BRIDGE_VLAN_INFO. */
function vlanInfo(flags: number, id: number): Buffer {
  const value = Buffer.alloc(4);
  writeNative16(value, 0, flags);
  writeNative16(value, 2, id);
  return attribute(2, value);
}

/** RTM_NEWLINK of a port: its name, and IFLA_AF_SPEC with its VLANs. */
function port(index: number, ...vlans: readonly Buffer[]): Buffer {
  const body = Buffer.concat([attribute(3, Buffer.from("lan1\0")), attribute(26, Buffer.concat(vlans))]);
  const head = Buffer.alloc(32);
  writeNative32(head, 0, head.length + body.length);
  writeNative16(head, 4, 16);
  head[16] = 7;
  writeNative32(head, 20, index);
  return Buffer.concat([head, body]);
}

const [PVID_UNTAGGED, UNTAGGED, BEGIN, END] = [0x6, 0x4, 0x8, 0x10];

function read(octets: Buffer): Record<string, string> {
  const vlans: Map<number, VlanRange[]> = new Map();
  readPorts(octets, vlans);
  const how = ({ pvid, untagged }: VlanRange) => `${pvid ? " pvid" : ""}${untagged ? " untagged" : ""}`;
  const text = (ranges: readonly VlanRange[]) =>
    ranges.map((range) => `${range.first}-${range.last}${how(range)}`).join();
  return Object.fromEntries([...vlans].map(([index, ranges]) => [index, text(ranges)]));
}

test("ports with single VLANs and ranges of them, in several messages", () => {
  const octets = Buffer.concat([
    port(3, vlanInfo(PVID_UNTAGGED, 1), vlanInfo(BEGIN, 8), vlanInfo(END, 12), vlanInfo(0, 20)),
    port(4),
    port(5, vlanInfo(BEGIN | UNTAGGED, 30), vlanInfo(END | UNTAGGED, 31), vlanInfo(0, 4094)),
  ]);
  const trunk = "1-1 pvid untagged,8-12,20-20";
  assert.deepEqual(read(octets), { 3: trunk, 4: "", 5: "30-31 untagged,4094-4094" });
});

test("an answer that is cut anywhere gives what of it is whole, and nothing else", () => {
  const whole = port(3, vlanInfo(0, 10), vlanInfo(0, 11));
  for (let length = 0; length < whole.length; length++) assert.deepEqual(read(whole.subarray(0, length)), {});
  const broken = Buffer.from(whole);
  writeNative16(broken, 32, 0);
  assert.deepEqual(read(broken), {});
});

const BRIDGE = [
  "ip link add br0 type bridge",
  ...["rt2", "rt4"].flatMap((name) => [
    `ip link add ${name} type veth peer name ${name}far`,
    `ip link set ${name} master br0`,
  ]),
];

if (inNamespace(import.meta.url, "VLANs of bridge ports", BRIDGE, ["ip", "bridge"])) {
  const sockets = await loadSockets("links");
  const vlans: BridgeVlans = bridgeVlansBy(sockets);
  const ip = (...words: string[]) => execFileSync("ip", words, { stdio: ["ignore", "pipe", "ignore"] });
  const can = (...words: string[]): boolean => {
    try {
      ip(...words);
      return true;
    } catch {
      return false;
    }
  };

  test("a kernel whose bridges have no VLANs is asked in vain, and that is no fault", () => {
    for (const ranges of vlans().values()) assert.ok(Array.isArray(ranges));
  });

  const hasVlans =
    can("link", "set", "br0", "type", "bridge", "vlan_filtering", "1") &&
    can("link", "add", "link", "br0", "name", "iptv", "type", "vlan", "id", "10");
  // Nothing that could be installed: on a kernel without them there is no such test.
  const onVlans: typeof test | undefined = hasVlans ? test : undefined;
  onVlans?.(
    "a VLAN of a bridge has the ports that are in it, also of an answer in several pieces, and says when they change",
    async (context) => {
      const links = linksBy(netlinkMonitor(sockets), vlans);
      const portsOf = (name: string) => links.get(name)?.ports.join();
      assert.deepEqual([links.get("iptv")?.vlan, portsOf("iptv")], [10, ""]);
      const vlan = (...words: string[]) => execFileSync("bridge", ["vlan", ...words]);
      const seen: (string | undefined)[] = [];
      context.after(links.watch(["iptv"], (_, link) => seen.push(link?.ports.join())));
      vlan("add", "dev", "rt4", "vid", "8-12");
      assert.equal(portsOf("iptv"), "rt4");
      assert.ok(await eventually(() => seen.includes("rt4")), seen.join());
      vlan("add", "dev", "rt2", "vid", "10", "pvid", "untagged");
      assert.equal(portsOf("iptv"), "rt2,rt4");
      assert.deepEqual(links.get("iptv")?.portVlans, {
        rt2: { pvid: true, untagged: true },
        rt4: { pvid: false, untagged: false },
      });
      // As the kernel makes them: VLAN 1 everywhere, with which rt2 no longer begins.
      const [own, rest] = [
        { pvid: true, untagged: true },
        { pvid: false, untagged: true },
      ];
      assert.deepEqual([links.get("br0")?.vlan, links.get("br0")?.portVlans], [1, { rt2: rest, rt4: own }]);
      vlan("del", "dev", "br0", "vid", "1", "self");
      assert.deepEqual([links.get("br0")?.vlan, portsOf("br0")], [undefined, ""], "it has no LAN of its own");
      vlan("del", "dev", "rt4", "vid", "10");
      assert.equal(portsOf("iptv"), "rt2", "the range has two halves now");
      const single = Array.from({ length: 500 }, (_, n) => `vlan add dev rt4 vid ${100 + 2 * n}\n`);
      execFileSync("bridge", ["-batch", "-"], { input: single.join("") });
      ip("link", "add", "link", "br0", "name", "many", "type", "vlan", "id", "1098");
      assert.equal(portsOf("many"), "rt4");
    },
  );
}
