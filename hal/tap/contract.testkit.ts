// What every FrameTaps driver must do; the drivers' tests run it. And what those of the kernel must, besides.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { checkFrame } from "../../core/base/ethernet.ts";
import { address } from "../../core/base/ipv4.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { FrameTaps, TapListener } from "../../core/ports/frame-tap.ts";
import { RawIgmpSockets } from "../igmp/raw.ts";
import { CABLE } from "../in-namespace.testkit.ts";

export const REPORT = writeV1V2Message(
  new Uint8Array(V1_V2_LENGTH),
  address("10.9.1.2"),
  "v2Report",
  address("239.255.77.1"),
);
/** What a host on a cable says that is no longer tapped. */
const OTHER_REPORT = writeV1V2Message(
  new Uint8Array(V1_V2_LENGTH),
  address("10.9.1.3"),
  "v2Report",
  address("239.255.77.2"),
);
export const LEAVE = writeV1V2Message(
  new Uint8Array(V1_V2_LENGTH),
  address("10.9.1.1"),
  "leave",
  address("239.255.77.9"),
);

/** What a tap told, as lines. */
export class HeardFrames implements TapListener {
  readonly log: string[] = [];
  readonly #waiting = new Set<() => void>();

  frame(frame: Uint8Array): void {
    const checked = checkFrame(frame);
    const message = typeof checked === "string" ? checked : toHex(checked.packet.subarray(24, 32));
    // The kernel of the peer reports the groups that its IGMP socket joined.
    if (!message.startsWith("22")) this.#add(message);
  }

  interrupted(error: HalError): void {
    this.#add(error.code);
  }

  resumed(): void {
    this.#add("resumed");
  }

  /** Resolves as soon as a line makes `condition` true. */
  until(condition: (log: readonly string[]) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition(this.log)) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  #add(line: string): void {
    this.log.push(line);
    for (const look of [...this.#waiting]) look();
  }
}

export interface TapBench {
  readonly taps: FrameTaps;
  /** The peer's report, and a packet of our own, each on its way when it returns. */
  say(): void;
  answer(): void;
}

/** Nothing waits so long unless it waits for ever. */
export const HANGS = { timeout: 50_000 };
const REPORT_LINE = toHex(REPORT.subarray(24));

/** As a host does, says its report again until it is heard: libpcap may miss the first. */
async function saysUntilHeard(heard: HeardFrames, say: () => void): Promise<void> {
  say();
  const again = setInterval(say, 20);
  await heard.until((log) => log.at(-1) === REPORT_LINE).finally(() => clearInterval(again));
}

export function tapContract(name: string, { taps, say, answer }: TapBench): void {
  const both = (): void => {
    answer();
    say();
  };
  test(
    `${name}: hears what comes in through the port, not what goes out, and nothing after the close`,
    HANGS,
    async (t) => {
      const [heard, second] = [new HeardFrames(), new HeardFrames()];
      const tap = taps.open("rt0", heard);
      t.after(() => tap.close());
      await heard.until((log) => log.length > 0);
      assert.deepEqual(heard.log, ["resumed"]);
      await saysUntilHeard(heard, both);
      tap.close();
      const before = heard.log.length;
      const other = taps.open("rt0", second);
      t.after(() => other.close());
      await saysUntilHeard(second, both);
      for (const { log } of [heard, second]) assert.deepEqual([...new Set(log)], ["resumed", REPORT_LINE]);
      assert.equal(heard.log.length, before);
    },
  );
}

const OTHER_CABLE = [
  "ip link add rt2 type veth peer name rt3",
  "ip addr add 10.9.2.1/24 dev rt2",
  "ip link set rt2 up",
  "ip link set rt3 up",
];

/** Kernels before 6.2 rename an interface that is down only. */
function rename(from: string, to: string): void {
  try {
    execFileSync("ip", ["link", "set", from, "name", to], { stdio: "ignore" });
  } catch {
    execFileSync("ip", ["link", "set", from, "down", "name", to, "up"]);
  }
}

export const quiet = { packet() {}, failed() {} };
/** rt0 with its far end rt1, and rt2 with rt3. */
export const TWO_TAPPED = [...CABLE, ...OTHER_CABLE];

/** In a namespace with TWO_TAPPED, whose names are others afterwards. */
export async function kernelTaps(name: string, taps: FrameTaps): Promise<void> {
  const sockets = await RawIgmpSockets.load();
  const [own, peer, otherPeer] = [sockets.open("rt0", quiet), sockets.open("rt1", quiet), sockets.open("rt3", quiet)];
  tapContract(name, { taps, say: () => peer.send(REPORT), answer: () => own.send(LEAVE) });

  test(`${name}: an interface that goes down and comes back is tapped again`, HANGS, async (t) => {
    const heard = new HeardFrames();
    const tap = taps.open("rt0", heard);
    t.after(() => tap.close());
    await heard.until((log) => log.includes("resumed"));
    execFileSync("ip", ["link", "set", "rt0", "down"]);
    await heard.until((log) => log.some((line) => line.startsWith("tap.")));
    execFileSync("ip", ["link", "set", "rt0", "up"]);
    await heard.until((log) => log.at(-1) === "resumed");
  });

  test(
    `${name}: when another interface takes the name, it is tapped, and the first is not taken for it`,
    HANGS,
    async (t) => {
      const heard = new HeardFrames();
      const tap = taps.open("rt0", heard);
      t.after(() => tap.close());
      await saysUntilHeard(heard, () => peer.send(REPORT));
      rename("rt0", "rt9");
      rename("rt2", "rt0");
      const renamed = heard.log.length;
      const saying = setInterval(() => peer.send(OTHER_REPORT), 20);
      t.after(() => clearInterval(saying));
      await heard.until((log) => log.slice(renamed).includes("resumed"));
      await saysUntilHeard(heard, () => otherPeer.send(REPORT));
      const after = heard.log.slice(renamed);
      assert.equal(after.includes(toHex(OTHER_REPORT.subarray(24))), false, after.join(" "));
    },
  );

  test(
    `${name}: when two silent interfaces swap their names, each tap changes over before a frame is said`,
    HANGS,
    async (t) => {
      const names = ["rs0", "rs2"] as const;
      const far = names.map((name) => `${name}far`);
      for (const [i, name] of names.entries()) {
        execFileSync("ip", ["link", "add", name, "type", "veth", "peer", "name", far[i] ?? ""]);
        for (const end of [name, far[i] ?? ""]) execFileSync("ip", ["link", "set", end, "up"]);
      }
      const heardBy = names.map((name) => {
        const heard = new HeardFrames();
        const tap = taps.open(name, heard);
        t.after(() => tap.close());
        return heard;
      });
      await Promise.all(heardBy.map((heard) => heard.until((log) => log.at(-1) === "resumed")));
      rename("rs0", "rs9");
      rename("rs2", "rs0");
      rename("rs9", "rs2");
      const swapped = heardBy.map(({ log }) => log.length);
      await Promise.all(heardBy.map((heard, i) => heard.until((log) => log.slice(swapped[i]).includes("resumed"))));
      // The far end of what was rs2, and is rs0.
      const speaker = sockets.open("rs2far", quiet);
      t.after(() => speaker.close());
      const [first, second] = heardBy;
      assert.ok(first !== undefined && second !== undefined);
      await saysUntilHeard(first, () => speaker.send(REPORT));
      assert.equal(second.log.includes(REPORT_LINE), false, second.log.join(" "));
    },
  );

  test(`${name}: an interface that is not there is tap.no-interface`, HANGS, async (t) => {
    const heard = new HeardFrames();
    const tap = taps.open("rt-none", heard);
    t.after(() => tap.close());
    await heard.until((log) => log.length > 0);
    assert.equal(heard.log[0], "tap.no-interface");
  });

  test("close the sockets", () => {
    for (const socket of [own, peer, otherPeer]) socket.close();
  });
}
