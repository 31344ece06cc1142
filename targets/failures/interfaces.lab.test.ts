// An interface or an address that the configuration names and the machine does not have: each bundle warns, says what it waits for,
// and goes on when it comes.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inside, ip, makeNamespaces, removeNamespaces } from "../router/namespaces.testkit.ts";
import {
  type Bundle,
  Configured,
  headendConfig,
  type Json,
  makeIdentity,
  scratch,
  settopConfig,
  until,
} from "./bundles.testkit.ts";

const SPACE = "sc-ifaces";
const ADDRESS = "10.77.0.1";
const folder = scratch("interfaces");
const under = ["ip", "netns", "exec", SPACE];

before(() => {
  makeNamespaces([SPACE]);
  add("rt0", "10.76.0.1");
});
after(() => removeNamespaces([SPACE]));

/** A cable whose near end has this name and address. */
function add(name: string, address: string): void {
  ip("-n", SPACE, "link", "add", name, "type", "veth", "peer", "name", `${name}p`);
  ip("-n", SPACE, "addr", "add", `${address}/24`, "dev", name);
  for (const end of [name, `${name}p`]) ip("-n", SPACE, "link", "set", end, "up");
}

const remove = (name: string): void => ip("-n", SPACE, "link", "del", name);

function home(name: string, role: "headend" | "settop"): string {
  const own = join(folder, name);
  mkdirSync(own);
  makeIdentity(role, role === "settop" ? "box" : role, join(own, role === "settop" ? "box.json" : `${role}.json`));
  return own;
}

const stateOf = (bundle: Configured, wanted: string): Promise<Json> =>
  bundle.see(`state ${wanted}`, ({ state }: Json) => state === wanted || undefined);

/** The only line with this level and a message that matches, as JSON. */
async function warned(bundle: Bundle, pattern: RegExp): Promise<Json> {
  const line = JSON.parse(await bundle.line(pattern));
  assert.equal(line.level, 40, line.msg);
  return line;
}

const LACK = `no interface has the address ${ADDRESS}; there are 127.0.0.1 (lo), 10.76.0.1 (rt0)`;

test("headend: multicast out of an address that is not there, and an input on another", async () => {
  const input = { kind: "udp", address: "239.255.77.8", port: 5010, interfaceAddress: "10.78.0.1" };
  const channels = [{ id: "one", group: "239.255.77.9", port: 5012, input }];
  const config = headendConfig(home("headend", "headend"), { interfaceAddress: ADDRESS, channels });
  const headend = new Configured("headend", join(folder, "headend"), config, { under });
  await warned(headend, new RegExp(`${ADDRESS}.*waiting for it`));
  assert.equal(
    (await warned(headend, /"msg":"running/)).msg,
    `running, waiting for interface address ${ADDRESS}, 10.78.0.1`,
  );
  await stateOf(headend, `waiting for interface address ${ADDRESS}, 10.78.0.1`);
  add("rt1", ADDRESS);
  await headend.line(/interface address is there/);
  await stateOf(headend, "waiting for interface address 10.78.0.1");
  add("rt2", "10.78.0.1");
  await stateOf(headend, "running");
  assert.match(inside(SPACE, "ip", "maddr", "show", "dev", "rt2"), /239\.255\.77\.8/);
  remove("rt1");
  await stateOf(headend, `waiting for interface address ${ADDRESS}`);
  assert.equal((await headend.stop()).code, 0);
  remove("rt2");
});

test("set-top: not-joined with the reason, and systemd hears of it; joined when the address comes", async () => {
  const bin = join(folder, "bin");
  const told = join(folder, "told");
  mkdirSync(bin);
  writeFileSync(join(bin, "systemd-notify"), `#!/bin/sh\necho "$2" >>'${told}'\n`);
  chmodSync(join(bin, "systemd-notify"), 0o755);
  const env = { PATH: `${bin}:${process.env.PATH}`, NOTIFY_SOCKET: "/run/nobody" };
  const config = settopConfig(home("settop", "settop"), { interfaceAddress: ADDRESS });
  const settop = new Configured("settop", join(folder, "settop"), config, { under, env });
  assert.equal((await warned(settop, /waiting for it/)).msg, `${LACK}: waiting for it`);
  await stateOf(settop, `waiting for interface address ${ADDRESS}`);
  const dark = await settop.see(
    "why",
    ({ channels: [one] }: Json) => one?.viewing.membership.kind === "failed" && one.dark,
  );
  assert.deepEqual(dark, { reason: "not-joined", text: `datagram.interface-away: ${LACK}` });
  const heard = (line: string): Promise<true> =>
    until(line, () => readFileSync(told, "utf8").split("\n").includes(line) || undefined);
  await heard(`STATUS=waiting for interface address ${ADDRESS}`);
  add("rt1", ADDRESS);
  await stateOf(settop, "running");
  await settop.see(
    "a membership",
    ({ channels: [one] }: Json) => one?.viewing.membership.kind === "joined" || undefined,
  );
  await heard("STATUS=running");
  assert.equal(
    settop.lines.filter((line) => line.includes("join-failed")).length,
    1,
    "noted once, not at each attempt",
  );
  assert.equal((await settop.stop()).code, 0);
  remove("rt1");
});

test("router: an interface that does not exist is named, with the one that may be meant, and used when it comes", async () => {
  const downstreams = [{ interface: "rt0" }, { interface: "rt00" }];
  const config = { id: "router", upstream: { interface: "wan" }, downstreams, forwarding: "none", taps: false };
  const router = new Configured("router", folder, config, { under });
  const line = await warned(router, /rt00 does not exist/);
  assert.match(line.msg, /there are lo, rt0, rt0p \(is rt0 meant\?\): waiting for it$/);
  await warned(router, /interface wan does not exist; there are lo, rt0, rt0p: waiting for it/);
  assert.equal((await warned(router, /"msg":"running/)).msg, "running, waiting for interface rt00, wan");
  await stateOf(router, "waiting for interface rt00, wan");
  add("rt00", "10.79.0.1");
  await stateOf(router, "waiting for interface wan");
  add("wan", "10.80.0.1");
  await stateOf(router, "running");
  assert.equal((await router.stop()).code, 0);
  for (const name of ["rt00", "wan"]) remove(name);
});
