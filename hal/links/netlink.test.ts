// Links whose changes the kernel's own socket tells: without a child process. And what a child that tells them is, when we are killed.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { LinuxForwarding } from "../forwarding/linux.ts";
import { CABLE, eventually, inNamespace } from "../in-namespace.testkit.ts";
import { loadSockets } from "../native.ts";
import { linesOf } from "../stretched-window.testkit.ts";
import { linksContract } from "./contract.testkit.ts";
import { linksBy, watchLinks } from "./linux.ts";
import { commandMonitor, type Monitor, netlinkMonitor, sharedMonitor } from "./monitor.ts";

const HANGS = { timeout: 50_000 };
const NEVER = seconds(3600);
/** No early look helps: what is seen, the monitor has told. */
const BLIND = { first: NEVER, last: NEVER };
const nothing = { noRoute() {}, wrongInterface() {}, igmp() {}, failed() {} };

const BRIDGE = [
  "ip link add br0 type bridge",
  "ip link add rt2 type veth peer name rt3",
  "ip link add rt4 type veth peer name rt5",
  "ip link set rt2 master br0",
  "ip link set rt4 master br0",
];

/** A process as a router without our addon is: sockets of raw-socket, which children inherit, and a monitor that is a child. */
async function route(): Promise<void> {
  const links = linksBy(sharedMonitor(commandMonitor()));
  const table = (await LinuxForwarding.load()).open(nothing);
  links.watch(["rt0"], () => {});
  process.stdout.write("routing\n");
  process.stdin.resume().on("end", () => table.close());
}

function processes(isOne: (pid: number) => boolean): readonly number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && isOne(pid));
}

/** "" of a process that has ended. */
function told(pid: number, what: string): string {
  try {
    return readFileSync(`/proc/${pid}/${what}`, "latin1");
  } catch {
    return "";
  }
}

const parentOf = (pid: number): number => Number(/^PPid:\s*(\d+)/m.exec(told(pid, "status"))?.[1] ?? 0);
const isAlive = (pid: number): boolean => /^State:\s*[^ZX]/m.test(told(pid, "status"));

if (process.argv[2] === "route") await route();
else if (inNamespace(import.meta.url, "netlink links", [...CABLE, ...BRIDGE])) {
  const forwarding = await LinuxForwarding.loadNative();
  const monitor = netlinkMonitor(await loadSockets("test"));
  const ip = (...args: string[]) => execFileSync("ip", args);

  test("netlink links: a change is seen when the kernel tells it, and of many at once the last", HANGS, async (t) => {
    const log: string[] = [];
    const listening: Monitor = (look, ended) =>
      monitor(look, () => {
        log.push("ended");
        ended();
      });
    t.after(
      watchLinks(["rt1"], (_, link) => log.push(String(link?.addresses.length)), { ...BLIND, monitor: listening }),
    );
    ip("addr", "add", "10.9.7.1/24", "dev", "rt1");
    assert.ok(await eventually(() => log.at(-1) === "1"));
    const many = Array.from({ length: 2000 }, (_, n) => `addr add 10.10.${n >> 8}.${n & 255}/32 dev rt4`);
    // More than its queue holds while nobody reads.
    execFileSync("ip", ["-batch", "-"], { input: [...many, "addr del 10.9.7.1/24 dev rt1"].join("\n") });
    assert.ok(await eventually(() => log.at(-1) === "0"));
    ip("addr", "add", "10.9.7.2/24", "dev", "rt1");
    assert.ok(await eventually(() => log.at(-1) === "1"), "it listens after that too");
    assert.equal(log.includes("ended"), false);
    ip("addr", "flush", "dev", "rt4");
  });

  test("netlink links: no process is started", HANGS, (t) => {
    const children = () => processes((pid) => parentOf(pid) === process.pid);
    const before = children();
    t.after(linksBy(monitor).watch(["rt2"], () => {}));
    assert.deepEqual(children(), before);
  });

  test("a router on raw-socket that is killed leaves no process and no socket", HANGS, async () => {
    const file = new URL(import.meta.url).pathname;
    const router = spawn(process.execPath, [file, "route"], { stdio: ["pipe", "pipe", "inherit"] });
    const { value } = await linesOf(router).next();
    assert.equal(value, "routing");
    const family = (): readonly number[] => processes((pid) => parentOf(pid) === router.pid);
    const grown = (): readonly number[] =>
      family().flatMap((pid) => [pid, ...processes((one) => parentOf(one) === pid)]);
    await eventually(() => grown().length >= 3);
    const children = grown();
    assert.ok(
      children.some((pid) => told(pid, "cmdline").includes("monitor")),
      "it has a monitor",
    );
    assert.throws(() => forwarding.open(nothing), { code: "mroute.in-use" });
    router.kill("SIGKILL");
    await once(router, "exit");
    forwarding.open(nothing).close();
    assert.ok(await eventually(() => !children.some(isAlive)), "the monitor has ended too");
  });

  linksContract("netlink links", {
    links: linksBy(monitor),
    plain: "rt0",
    address: address("10.9.1.1"),
    bridge: "br0",
    ports: ["rt2", "rt4"],
    setUp: (name, up) => void ip("link", "set", name, up ? "up" : "down"),
    remove: (name) => void ip("link", "del", name),
    until: eventually,
  });
}
