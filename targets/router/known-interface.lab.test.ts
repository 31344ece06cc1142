// The router bundle with the drivers that it chooses by itself: whoever reports what, the interface and the MAC are those of the frame;
// and a router that is killed leaves nothing in the way of the next. Needs root.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { after, before, test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import { ethernet, v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import { withoutAlert } from "../../hal/forwarding/without-alert.testkit.ts";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "./namespaces.testkit.ts";

const PREFIX = `ki-${process.pid}`;
const [ROUTER, LAN] = [`${PREFIX}-r`, `${PREFIX}-l`];
const root = process.getuid?.() === 0;
const skip = !root ? "needs root for network namespaces" : !existsSync("dist/router.cjs") && "needs npm run build";
const LIMIT = 20_000;

const SETTINGS = [
  "id=lab-router",
  `socket=/tmp/${PREFIX}.sock`,
  "downstreams.0.interface=lan0",
  "downstreams.1.interface=lan1",
  "log.format=json",
].flatMap((setting) => ["--set", setting]);

interface Status {
  readonly interfaces: readonly { readonly name: string; readonly hosts: readonly Record<string, string>[] }[];
  readonly drops: Readonly<Record<string, number>>;
  readonly drivers: Readonly<Record<string, { readonly driver: string }>>;
}

const status = (): Status =>
  JSON.parse(inside(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS, "status", "--json")) as Status;

const SENDER = new URL("../../hal/native/frame-sender.testkit.js", import.meta.url).href;
const SCRIPT = `const [, device, ...frames] = process.argv;
import(${JSON.stringify(SENDER)}).then(async ({ frameSender }) => {
  const { send } = await frameSender(device);
  for (const frame of frames) send(Buffer.from(frame, "hex"));
});`;

/** Puts frames on the link of the LAN's end of a cable. */
const say = (device: string, ...frames: readonly Uint8Array[]): void =>
  void inside(LAN, process.execPath, "-e", SCRIPT, device, ...frames.map(toHex));

let router: Actor | undefined;
const the = (actor: Actor | undefined): Actor => actor ?? assert.fail("the lab is not built");

async function start(): Promise<Actor> {
  const actor = act(ROUTER, process.execPath, "dist/router.cjs", ...SETTINGS);
  await actor.saw(/"msg":"running/, LIMIT);
  return actor;
}

before(async () => {
  if (skip !== false) return;
  makeNamespaces([ROUTER, LAN]);
  for (const n of [0, 1]) {
    cable(ROUTER, `lan${n}`, LAN, `eth${n}`);
    ip("-n", ROUTER, "addr", "add", `10.${22 + n}.0.1/24`, "dev", `lan${n}`);
  }
  router = await start();
});

after(() => (root ? removeNamespaces([ROUTER, LAN]) : undefined));

test("its drivers are those that lack nothing", { skip }, () => {
  const chosen = Object.entries(status().drivers).map(([port, { driver }]) => `${port} ${driver}`);
  assert.deepEqual(chosen, ["igmp packet", "forwarding native", "tap packet", "links netlink"]);
});

test("a v2 report without Router Alert makes a member where it came in, whatever its source", { skip }, async () => {
  const rows = [
    { mac: "02:00:00:00:00:01", source: "10.23.0.5" },
    { mac: "02:00:00:00:00:02", source: "0.0.0.0" },
    { mac: "02:00:00:00:00:03", source: "192.168.77.9" },
  ];
  const from = the(router).lines.length;
  const frames = rows.map(({ mac, source }, i) =>
    ethernet(mac, withoutAlert(v1v2Message("v2Report", source, `239.255.77.${i + 1}`))),
  );
  say("eth0", ...frames);
  await the(router).sawTimes(rows.length, /"number":71/, LIMIT, from);
  const { interfaces, drops } = status();
  const hosts = interfaces.flatMap(({ name, hosts }) =>
    hosts
      .filter(({ group }) => group?.startsWith("239.255.77."))
      .map(({ host, mac, group }) => `${name} ${host} ${mac} ${group}`),
  );
  assert.deepEqual(hosts.sort(), rows.map(({ mac, source }, i) => `lan0 ${source} ${mac} 239.255.77.${i + 1}`).sort());
  assert.deepEqual(
    Object.keys(drops).filter((reason) => reason.startsWith("router.")),
    [],
  );
});

test("its one child keeps the routing socket and has nothing else of it; killed, the next starts at once", {
  skip,
}, async () => {
  const { process: killed } = the(router);
  const isChild = (one: string): boolean => {
    try {
      return new RegExp(`^PPid:\\s*${killed.pid}$`, "m").test(readFileSync(`/proc/${one}/status`, "latin1"));
    } catch {
      return false;
    }
  };
  const children = readdirSync("/proc").filter(isChild);
  assert.deepEqual(
    children.map((one) => readFileSync(`/proc/${one}/cmdline`, "latin1").split("\0")[3]),
    ["sealcast-router-keeper"],
  );
  const held = readdirSync(`/proc/${children[0]}/fd`).map((fd) => [fd, readlinkSync(`/proc/${children[0]}/fd/${fd}`)]);
  const sockets = held.filter(([, link]) => link?.startsWith("socket:")).map(([fd]) => fd);
  assert.deepEqual(sockets.sort(), ["0", "3"], "the end of its standard input, and what it keeps");
  const ended = once(killed, "exit");
  killed.kill("SIGKILL");
  await ended;
  router = await start();
});
