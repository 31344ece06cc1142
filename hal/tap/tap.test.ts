import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { instant, seconds } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { HalError } from "../../core/ports/errors.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { systemClock } from "../clock/system.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { RawIgmpSockets } from "../igmp/raw.ts";
import { SimulatedIgmpSockets } from "../igmp/simulated.ts";
import { inNamespace } from "../in-namespace.testkit.ts";
import { SimulatedNetwork } from "../simulation/network.ts";
import { CapTaps } from "./cap.ts";
import { HANGS, HeardFrames, kernelTaps, LEAVE, quiet, REPORT, TWO_TAPPED, tapContract } from "./contract.testkit.ts";
import { TAP_EXIT } from "./helper.ts";
import { SimulatedTaps } from "./simulated.ts";

const clock = new SimulatedClock();
const network = new SimulatedNetwork(clock, new SeededEntropy(1));
const lan = network.lan("lan");
const [router, host] = [network.node("router"), network.node("host")];
router.attach("rt0", { address: address("10.9.1.1"), lan });
host.attach("rt1", { address: address("10.9.1.2"), lan });
const [inside, outside] = [
  new SimulatedIgmpSockets(router).open("rt0", quiet),
  new SimulatedIgmpSockets(host).open("rt1", quiet),
];
tapContract("simulated tap", {
  taps: new SimulatedTaps(router),
  say: () => {
    outside.send(REPORT);
    clock.run(seconds(1));
  },
  answer: () => inside.send(LEAVE),
});

test(
  "cap tap: a helper that crashes as soon as it listens is started ever more seldom, and the parent goes on",
  HANGS,
  async (t) => {
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
    const heard = new HeardFrames();
    const tap = new CapTaps({ clock: still, entropy, command: ["sh", "-c", crash] }).open("rt0", heard);
    t.after(() => tap.close());
    const crashes = (log: readonly string[]): number => log.filter((line) => line === "tap.ended").length;
    for (let times = 1; times <= 4; times++) {
      await heard.until((log) => crashes(log) === times);
      if (times < 4) ring?.();
    }
    assert.deepEqual(waits, [125, 250, 500, 1000]);
    assert.deepEqual(heard.log.slice(-2), ["resumed", "tap.ended"]);
  },
);

test(
  "cap tap: a capture that cannot be opened says why, and is a matter of permission only where it is",
  HANGS,
  async (t) => {
    const rows = [
      { exit: TAP_EXIT.open, said: "can't mmap rx ring: Cannot allocate memory", code: "tap.open-failed" },
      { exit: TAP_EXIT.permission, said: "socket: Operation not permitted", code: "tap.permission" },
      { exit: TAP_EXIT.native, said: "libpcap.so.0.8: cannot open shared object file", code: "tap.native-missing" },
    ];
    for (const { exit, said, code } of rows) {
      const command = ["sh", "-c", `echo "${said}" >&2; exit ${exit}`] as const;
      const error = await new Promise<HalError>((interrupted) => {
        const driver = new CapTaps({ clock: systemClock, entropy: new SeededEntropy(1), command });
        const tap = driver.open("rt0", { frame() {}, resumed() {}, interrupted });
        t.after(() => tap.close());
      });
      assert.equal(error.code, code);
      assert.ok(error.message.endsWith(`: ${said}`), error.message);
    }
  },
);

/** The sockets beside the standard streams, by inode. */
const socketsOf = (pid: number | string): readonly string[] =>
  readdirSync(`/proc/${pid}/fd`)
    .filter((fd) => Number(fd) > 2)
    .map((fd) => linkOf(`/proc/${pid}/fd/${fd}`))
    .filter((what) => what.startsWith("socket:"));

const parentOf = (pid: string): number =>
  /^\d+$/.test(pid) ? Number(/^PPid:\s*(\d+)/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0) : 0;

/** "" of what is gone meanwhile. */
const linkOf = (path: string): string => orNothing(() => readlinkSync(path));
const textOf = (path: string): string => orNothing(() => readFileSync(path, "latin1"));

function orNothing(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

if (inNamespace(import.meta.url, "cap tap", TWO_TAPPED)) {
  const helper = new URL("./helper.js", import.meta.url).href;
  const script = `import(${JSON.stringify(helper)}).then((m) => m.runTapHelper(process.argv.at(-1)))`;
  const command = [process.execPath, "-e", script, "--"] as const;
  const taps = new CapTaps({ clock: systemClock, entropy: new SeededEntropy(1), command });
  test("cap tap: the helper has none of the sockets that raw-socket leaves to children", HANGS, async (t) => {
    const own = (await RawIgmpSockets.load()).open("rt0", quiet);
    t.after(() => own.close());
    const heard = new HeardFrames();
    const tap = taps.open("rt1", heard);
    t.after(() => tap.close());
    await heard.until((log) => log.includes("resumed"));
    const ours = new Set(socketsOf(process.pid));
    const helper = readdirSync("/proc").find((pid) => parentOf(pid) === process.pid) ?? assert.fail("no helper");
    assert.deepEqual(
      socketsOf(helper).filter((socket) => ours.has(socket)),
      [],
    );
  });

  await kernelTaps("cap tap", taps);

  test("cap tap: without CAP_NET_RAW a tap is tap.permission", HANGS, async (t) => {
    const heard = new HeardFrames();
    const without = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", ...command] as const;
    const tap = new CapTaps({ clock: systemClock, entropy: new SeededEntropy(1), command: without }).open("rt1", heard);
    t.after(() => tap.close());
    await heard.until((log) => log.length > 0);
    assert.deepEqual(heard.log, ["tap.permission"]);
  });
}
