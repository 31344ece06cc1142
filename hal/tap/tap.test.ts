import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { checkFrame } from "../../core/base/ethernet.ts";
import { address } from "../../core/base/ipv4.ts";
import { instant, seconds } from "../../core/base/time.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/v1-v2-message.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { FrameTaps, TapListener } from "../../core/ports/frame-tap.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { systemClock } from "../clock/system.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { RawIgmpSockets } from "../igmp/raw.ts";
import { SimulatedIgmpSockets } from "../igmp/simulated.ts";
import { CABLE, eventually, inNamespace } from "../in-namespace.testkit.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { CapTaps } from "./cap.ts";
import { SimulatedTaps } from "./simulated.ts";

const REPORT = writeV1V2Message(new Uint8Array(V1_V2_LENGTH), address("10.9.1.2"), "v2Report", address("239.255.77.1"));

const LEAVE = writeV1V2Message(new Uint8Array(V1_V2_LENGTH), address("10.9.1.1"), "leave", address("239.255.77.9"));

class Ear implements TapListener {
  readonly log: string[] = [];

  frame(frame: Uint8Array): void {
    const checked = checkFrame(frame);
    const message = typeof checked === "string" ? checked : toHex(checked.packet.subarray(24, 32));
    // The kernel of the peer reports the groups that its IGMP socket joined.
    if (!message.startsWith("22")) this.log.push(message);
  }

  interrupted(error: HalError): void {
    this.log.push(error.code);
  }

  resumed(): void {
    this.log.push("resumed");
  }
}

interface TapBench {
  readonly taps: FrameTaps;
  say(): void;
  answer(): void;
  until(condition: () => boolean): Promise<boolean>;
}

/** As a host does, says its report again until it is heard. */
async function heard(ear: Ear, { say, until }: TapBench): Promise<void> {
  for (let times = 0; times < 4 && ear.log.length < 2; times++) {
    say();
    await until(() => ear.log.length >= 2);
  }
  assert.deepEqual([...new Set(ear.log)], ["resumed", toHex(REPORT.subarray(24))]);
}

function tapContract(name: string, bench: TapBench): void {
  const { taps, answer, until } = bench;
  test(`${name}: hears what comes in through the port, not what goes out, and nothing after the close`, async () => {
    const ear = new Ear();
    const tap = taps.open("rt0", ear);
    await until(() => ear.log.length === 1);
    assert.deepEqual(ear.log, ["resumed"]);
    answer();
    await heard(ear, bench);
    tap.close();
    const second = new Ear();
    const other = taps.open("rt0", second);
    await until(() => second.log.length === 1);
    const before = ear.log.length;
    await heard(second, bench);
    assert.equal(ear.log.length, before);
    other.close();
  });
}

const clock = new SimulatedClock();
const network = new SimulatedNetwork(clock, new SeededEntropy(1));
const lan = network.lan("lan");
const [router, host] = [network.node("router"), network.node("host")];
router.attach("rt0", { address: address("10.9.1.1"), lan });
host.attach("rt1", { address: address("10.9.1.2"), lan });
const quiet = { packet() {}, failed() {} };
const [inside, outside] = [
  new SimulatedIgmpSockets(router).open("rt0", quiet),
  new SimulatedIgmpSockets(host).open("rt1", quiet),
];
tapContract("simulated tap", {
  taps: new SimulatedTaps(router),
  say: () => outside.send(REPORT),
  answer: () => inside.send(LEAVE),
  until: async (condition) => {
    clock.run(seconds(1));
    return condition();
  },
});

test("cap tap: a helper that crashes as soon as it listens is started ever more seldom, and the parent goes on", async () => {
  const waits: number[] = [];
  let ring: (() => void) | undefined;
  const still: Clock = {
    ...systemClock,
    now: () => instant(0),
    alarm(at, call) {
      waits.push(at);
      ring = call;
      return { cancel() {} };
    },
  };
  const crash = "printf '\\0\\0'; kill -SEGV $$";
  const entropy = { bytes: (n: number) => new Uint8Array(n), below: () => 0 };
  const ear = new Ear();
  const tap = new CapTaps({ clock: still, entropy, command: ["sh", "-c", crash] }).open("rt0", ear);
  for (let crashes = 1; crashes <= 4; crashes++) {
    assert.ok(await eventually(() => waits.length === crashes));
    if (crashes < 4) ring?.();
  }
  tap.close();
  assert.deepEqual(waits, [125, 250, 500, 1000]);
  assert.deepEqual(ear.log.slice(-2), ["resumed", "tap.ended"]);
});

if (inNamespace(import.meta.url, "cap tap", CABLE)) {
  const helper = new URL("./helper.js", import.meta.url).href;
  const script = `import(${JSON.stringify(helper)}).then((m) => m.runTapHelper(process.argv.at(-1)))`;
  const command = [process.execPath, "-e", script, "--"] as const;
  const taps = new CapTaps({ clock: systemClock, entropy: new SeededEntropy(1), command });
  const sockets = await RawIgmpSockets.load();
  const [own, peer] = [sockets.open("rt0", quiet), sockets.open("rt1", quiet)];
  tapContract("cap tap", {
    taps,
    say: () => peer.send(REPORT),
    answer: () => own.send(LEAVE),
    until: (condition) => eventually(condition, 1500),
  });
  test("cap tap: an interface that goes down and comes back is tapped again", async () => {
    const ear = new Ear();
    const tap = taps.open("rt0", ear);
    assert.ok(await eventually(() => ear.log.includes("resumed")));
    execFileSync("ip", ["link", "set", "rt0", "down"]);
    assert.ok(await eventually(() => ear.log.some((line) => line.startsWith("tap."))), ear.log.join());
    execFileSync("ip", ["link", "set", "rt0", "up"]);
    assert.ok(await eventually(() => ear.log.at(-1) === "resumed", 5000), ear.log.join());
    tap.close();
  });
  test("cap tap: an interface that is not there is tap.no-interface", async () => {
    const ear = new Ear();
    const tap = taps.open("rt-none", ear);
    assert.ok(await eventually(() => ear.log.length > 0));
    assert.equal(ear.log[0], "tap.no-interface");
    tap.close();
    own.close();
    peer.close();
  });
}
