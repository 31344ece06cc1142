// Which frames on a bridge port are of the interface's LAN, by frames that scapy made.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../base/bytes.testkit.ts";
import { vectorFile } from "../igmp.testkit.ts";
import { checkLanFrame, type PortLan } from "./lan-frame.ts";

const VECTORS = vectorFile<{ name: string; hex: string }[]>("frames.json");

function check(name: string, own?: number, port?: PortLan): string {
  const frame = checkLanFrame(hex(VECTORS.find((one) => one.name === name)?.hex ?? ""), own, port);
  return typeof frame === "string" ? frame : `${frame.mac} ${frame.vlan ?? "untagged"}`;
}

const [UNTAGGED, OTHER] = ["02:11:22:33:44:55 untagged", "frame.other-vlan"];

for (const [name, own, expected] of [
  ["untagged", undefined, UNTAGGED],
  ["priority tag", undefined, UNTAGGED],
  ["one 802.1Q tag", undefined, OTHER],
  ["one 802.1Q tag", 78, OTHER],
  ["one 802.1Q tag", 77, "02:11:22:33:44:55 77"],
  ["untagged", 77, UNTAGGED],
  ["802.1ad and 802.1Q", undefined, OTHER],
  ["802.1ad and 802.1Q", 100, OTHER],
  ["802.1ad and 802.1Q", 7, OTHER],
  ["three tags", 7, "frame.too-many-tags"],
] as const)
  test(`on ${own === undefined ? "an untagged LAN" : `VLAN ${own}`}, ${name}: ${expected}`, () => {
    assert.equal(check(name, own), expected);
  });

for (const [name, vlan, pvid, expected] of [
  ["untagged", 77, true, "02:11:22:33:44:55 77"],
  ["priority tag", 77, true, "02:11:22:33:44:55 77"],
  ["untagged", 77, false, OTHER],
  ["priority tag", 77, false, OTHER],
  ["one 802.1Q tag", 77, false, "02:11:22:33:44:55 77"],
  ["one 802.1Q tag", 77, true, "02:11:22:33:44:55 77"],
  ["one 802.1Q tag", 78, true, OTHER],
  ["802.1ad and 802.1Q", 100, true, OTHER],
] as const)
  test(`a port that carries VLAN ${vlan}${pvid ? ", its frames without a tag too" : ""}, ${name}: ${expected}`, () => {
    for (const configured of [undefined, 77, 78])
      assert.equal(check(name, configured, { vlan, pvid }), expected, "the bridge decides, whatever is configured");
  });
