// Taps in this process: the same as those of a child, and what only they can.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { checkFrame } from "../../core/base/ethernet.ts";
import { ethernet, v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { TapListener } from "../../core/ports/frame-tap.ts";
import { systemClock } from "../clock/system.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { frameSender } from "../native/frame-sender.testkit.ts";
import { loadSockets } from "../native.ts";
import { HANGS, kernelTaps, TWO_TAPPED } from "./contract.testkit.ts";
import { PacketTaps } from "./packet.ts";

const HOST = "02:00:00:00:00:11";
const BRIDGE = [
  "ip link add br0 type bridge",
  "ip link add rt4 type veth peer name rt5",
  "ip link set rt4 master br0",
  ...["br0", "rt4", "rt5"].map((name) => `ip link set ${name} up`),
];

/** MAC and VLANs of each frame, but for what the far end's kernel says by itself. */
class HeardHosts implements TapListener {
  readonly log: string[] = [];

  frame(frame: Uint8Array): void {
    const checked = checkFrame(frame);
    if (typeof checked === "string") this.log.push(checked);
    else if (checked.packet[24] !== 0x22) this.log.push([checked.mac, ...checked.vlans].join(" "));
  }

  interrupted({ code }: HalError): void {
    this.log.push(code);
  }

  resumed(): void {
    this.log.push("resumed");
  }
}

/** The frame with these tags after the MACs. */
function tagged(frame: Uint8Array, ...tags: readonly (readonly [type: number, tag: number])[]): Uint8Array {
  const octets = tags.flatMap(([type, tag]) => [type >> 8, type & 255, tag >> 8, tag & 255]);
  return Uint8Array.from([...frame.subarray(0, 12), ...octets, ...frame.subarray(12)]);
}

if (inNamespace(import.meta.url, "packet tap", [...TWO_TAPPED, ...BRIDGE])) {
  const options = { clock: systemClock, entropy: new SeededEntropy(1) };
  const taps = await PacketTaps.load(options);

  test(
    "packet tap: a bridge port's frames, of IGMP and PIM, have their tags, also the one that the kernel took out",
    HANGS,
    async (t) => {
      const heard = new HeardHosts();
      const tap = taps.open("rt4", heard);
      t.after(() => tap.close());
      await eventually(() => heard.log.includes("resumed"));
      const { send, close } = await frameSender("rt5");
      t.after(close);
      const frame = ethernet(HOST, v1v2Message("v2Report", "10.9.1.2", "239.255.77.1"));
      send(frame);
      send(tagged(frame, [0x8100, 0x6007]));
      send(tagged(frame, [0x88a8, 5], [0x8100, 7]));
      const udp = ethernet(HOST, v1v2Message("v2Report", "10.9.1.2", "239.255.77.1"));
      udp[14 + 9] = 17;
      send(udp);
      send(tagged(udp, [0x8100, 7]));
      const pim = Uint8Array.from(udp).fill(103, 14 + 9, 14 + 10);
      for (const one of [pim, tagged(pim, [0x8100, 7]), frame]) send(one);
      await eventually(() => heard.log.length === 7);
      assert.deepEqual(heard.log, ["resumed", HOST, `${HOST} 7`, `${HOST} 5 7`, HOST, `${HOST} 7`, HOST]);
    },
  );

  test("packet tap: what nobody reads in time is counted, also after the tap was opened again", HANGS, async (t) => {
    const heard = new HeardHosts();
    const tap = taps.open("rt4", heard);
    t.after(() => tap.close());
    await eventually(() => heard.log.includes("resumed"));
    const { send, close } = await frameSender("rt5");
    t.after(close);
    const frame = ethernet(HOST, v1v2Message("v2Report", "10.9.1.2", "239.255.77.1"));
    const said = 20_000;
    for (let n = 0; n < said; n++) send(frame);
    await eventually(() => heard.log.length - 1 + (tap.dropped() ?? 0) === said, 20_000);
    const dropped = tap.dropped() ?? 0;
    assert.equal(heard.log.length - 1 + dropped, said);
    assert.ok(dropped > 0);
    execFileSync("ip", ["link", "set", "rt4", "down"]);
    await eventually(() => heard.log.at(-1) === "tap.no-interface");
    execFileSync("ip", ["link", "set", "rt4", "up"]);
    await eventually(() => heard.log.at(-1) === "resumed");
    assert.equal(heard.log.at(-1), "resumed");
    assert.equal(tap.dropped(), dropped);
  });

  test("packet tap: without permission a tap is tap.permission, and is tried again", HANGS, async (t) => {
    const native = await loadSockets("test");
    const EPERM = 1;
    let tries = 0;
    const socket = (): number => {
      tries++;
      return -EPERM;
    };
    const refused = { ...native, socket };
    const heard = new HeardHosts();
    const tap = new PacketTaps(refused, options).open("rt4", heard);
    t.after(() => tap.close());
    await eventually(() => tries > 1);
    assert.deepEqual(heard.log, ["tap.permission", "tap.permission"]);
  });

  await kernelTaps("packet tap", taps);
}
