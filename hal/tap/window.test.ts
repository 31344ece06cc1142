// IGMP floods in on one interface while the helper of another's tap sets up its capture, slowly: not one frame of it is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkFrame } from "../../core/base/ethernet.ts";
import { address, formatIpv4 } from "../../core/base/ipv4.ts";
import { sourceAddress } from "../../core/igmp/messages/ip-header.ts";
import { checkPacket } from "../../core/igmp/messages/packet.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";
import type { TapListener } from "../../core/ports/frame-tap.ts";
import { systemClock } from "../clock/system.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { RawIgmpSockets } from "../igmp/raw.ts";
import { inNamespace } from "../in-namespace.testkit.ts";
import { flood, PROGRAMS, slowly, TWO_CABLES } from "../stretched-window.testkit.ts";
import { CapTaps } from "./cap.ts";

const HANGS = { timeout: 20_000 };
const [HOST, STRANGER] = [address("10.22.0.2"), address("10.0.0.42")];
const leave = (source: typeof HOST): Uint8Array =>
  writeV1V2Message(new Uint8Array(V1_V2_LENGTH), source, "leave", address("239.255.77.1"));

/** Whom the tap heard; `until` resolves when it has heard that one. */
class HeardFrames implements TapListener {
  readonly lines = new Set<string>();
  readonly faults: string[] = [];
  #look = (): void => {};

  frame(frame: Uint8Array): void {
    const checked = checkFrame(frame);
    const packet = typeof checked === "string" ? checked : checkPacket(checked.packet);
    if (typeof packet === "string") this.#add(packet);
    // The far ends' kernels report what their own sockets joined: v3.
    else if (packet.kind !== "v3Report") this.#add(formatIpv4(sourceAddress(packet.bytes)));
  }

  interrupted({ message }: Error): void {
    this.faults.push(message);
  }

  resumed(): void {
    this.#add("resumed");
  }

  until(line: string): Promise<void> {
    return new Promise((resolve) => {
      this.#look = () => {
        if (this.lines.has(line)) resolve();
      };
      this.#look();
    });
  }

  #add(line: string): void {
    this.lines.add(line);
    this.#look();
  }
}

if (inNamespace(import.meta.url, "a tap in the making", TWO_CABLES, PROGRAMS)) {
  const helper = new URL("./helper.js", import.meta.url).href;
  const script = `import(${JSON.stringify(helper)}).then((m) => m.runTapHelper(process.argv.at(-1)))`;
  const node = [process.execPath, "-e", script, "--"] as const;
  const taps = (command: readonly [string, ...string[]]): CapTaps =>
    new CapTaps({ clock: systemClock, entropy: new SeededEntropy(1), command });

  test(
    "what comes in on another interface while the capture is set up is not told; what comes in on its own is",
    HANGS,
    async (t) => {
      await flood(t, "rt3", [leave(STRANGER)]);
      const [flooded, heard] = [new HeardFrames(), new HeardFrames()];
      const witness = taps(node).open("rt2", flooded);
      t.after(() => witness.close());
      await flooded.until("10.0.0.42");
      const peer = (await RawIgmpSockets.load()).open("rt1", { packet() {}, failed() {} });
      t.after(() => peer.close());
      const tap = taps([...slowly("bind,setsockopt"), ...node]).open("rt0", heard);
      t.after(() => tap.close());
      await heard.until("resumed");
      // libpcap may miss the first.
      const again = setInterval(() => peer.send(leave(HOST)), 20);
      t.after(() => clearInterval(again));
      await heard.until("10.22.0.2");
      assert.deepEqual([...heard.lines], ["resumed", "10.22.0.2"]);
      assert.deepEqual(heard.faults, []);
    },
  );
}
