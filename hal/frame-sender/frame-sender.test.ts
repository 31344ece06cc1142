// Frames on a cable, by both drivers: what the other end hears is what was sent, tags and the sender's MAC included.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { address } from "../../core/base/ipv4.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";
import type { FrameSenders } from "../../core/ports/frame-sender.ts";
import { CABLE, eventually, inNamespace } from "../in-namespace.testkit.ts";
import { capSenders } from "./cap.ts";
import { systemSenders } from "./open.ts";
import { otherEnd } from "./other-end.testkit.ts";
import { packetSenders } from "./packet.ts";

const REPORT = writeV1V2Message(new Uint8Array(V1_V2_LENGTH), address("10.9.1.2"), "v2Report", address("239.255.77.1"));
const HEADER = [0x01, 0x00, 0x5e, 0x7f, 0x4d, 0x01, 0x02, 0, 0, 0, 0, 0x0b];
const FRAME = Uint8Array.from([...HEADER, 0x08, 0x00, ...REPORT]);
const TAGGED = Uint8Array.from([...HEADER, 0x91, 0x00, 0x00, 0x64, 0x08, 0x00, ...REPORT]);

const DRIVERS: Readonly<Record<string, FrameSenders>> = {
  packet: packetSenders,
  cap: capSenders,
  "the one that loads": systemSenders,
};

if (inNamespace(import.meta.url, "frame senders", [...CABLE, "ip tuntap add tunl mode tun"])) {
  for (const [name, senders] of Object.entries(DRIVERS)) {
    test(`${name}: frames arrive as they are, in order`, async (t) => {
      const end = await otherEnd("rt1", HEADER.slice(6));
      t.after(end.close);
      const sender = await senders.open("rt0");
      t.after(() => sender.close());
      assert.equal(sender.interfaceName, "rt0");
      assert.deepEqual([sender.send(FRAME), sender.send(TAGGED), sender.send(FRAME)], ["sent", "sent", "sent"]);
      assert.ok(await eventually(() => end.look().length >= 3), end.look().join("\n"));
      assert.deepEqual(end.look(), [FRAME, TAGGED, FRAME].map(toHex));
    });

    test(`${name}: a frame longer than the interface takes is said to be too long`, async (t) => {
      const sender = await senders.open("rt0");
      t.after(() => sender.close());
      assert.equal(sender.send(new Uint8Array(9000).fill(0xff)), "too-long");
      assert.equal(sender.send(FRAME), "sent");
    });

    test(`${name}: an interface that is not there, or carries no Ethernet, is refused by name`, async () => {
      await assert.rejects(senders.open("rt9"), { code: "sender.no-interface" });
      execFileSync("ip", ["link", "set", "tunl", "up"]);
      await assert.rejects(senders.open("tunl"), { code: "sender.link-type" });
    });

    test(`${name}: what is sent after the interface went down fails`, async (t) => {
      const sender = await senders.open("rt0");
      t.after(() => sender.close());
      execFileSync("ip", ["link", "set", "rt0", "down"]);
      assert.throws(() => sender.send(FRAME), { code: "sender.failed" });
      await assert.rejects(senders.open("rt0"), { code: "sender.no-interface" });
      execFileSync("ip", ["link", "set", "rt0", "up"]);
    });
  }
}
