import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { address, formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import { milliseconds, minutes, seconds } from "../../core/base/time.ts";
import { ethernet, tagged } from "../../core/igmp/igmp.testkit.ts";
import type { GuardRules } from "../../core/ports/enforcement.ts";
import { HalError } from "../../core/ports/errors.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { datagram } from "../forwarding/linux.testkit.ts";
import { eventually, inNamespace } from "../in-namespace.testkit.ts";
import { frameSender } from "../native/frame-sender.testkit.ts";
import { enforcementContract } from "./contract.testkit.ts";
import { NftEnforcement, removeLeftGuard } from "./nft.ts";
import { SimulatedEnforcement } from "./simulated.ts";

const clock = new SimulatedClock();
const simulated = new SimulatedEnforcement(clock);
enforcementContract("simulated", {
  enforcement: simulated,
  ports: ["lan1", "lan2"],
  reached: async (group) => ["lan1", "lan2"].filter((port) => simulated.lets(port, group)),
  pass: async (span) => clock.run(span),
});

const RULES: GuardRules = {
  groups: [{ address: address("239.1.0.0"), prefixLength: 16 }],
  afterwards: "closed",
  ports: ["lan1", "lan2"],
};
const LISTENER = { failed: (error: Error) => assert.fail(error.message), restored: () => {} };

/** A bridge that floods, with two cables: what comes out of them is counted by the kernel at the far ends. */
const BRIDGE = [
  "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
  "ip link add br0 type bridge mcast_snooping 0",
  ...["lan1", "lan2"].flatMap((port) => [
    `ip link add ${port} type veth peer name ${port}far`,
    `ip link set ${port} master br0 up`,
    `ip link set ${port}far up`,
  ]),
  "ip addr add 10.9.1.1/24 dev br0",
  "ip link set br0 up",
];

if (inNamespace(import.meta.url, "nft enforcement", BRIDGE, ["nft"])) {
  const received = (port: string) => Number(readFileSync(`/sys/class/net/${port}far/statistics/rx_packets`, "utf8"));
  const socket = createSocket("udp4");
  const bound = new Promise<void>((resolve) => socket.bind(0, "10.9.1.1", resolve));
  const send = (group: string) => new Promise((resolve) => socket.send("x", 5000, group, resolve));

  enforcementContract("nft", {
    // Who died without a word looks no more.
    enforcement: new NftEnforcement(minutes(60)),
    ports: ["lan1", "lan2"],
    async reached(group) {
      await bound;
      // A send calls back before the loop turns, and the driver waits for its child.
      await new Promise((resolve) => setImmediate(resolve));
      const before = [received("lan1"), received("lan2")];
      // What is sent on a veth has arrived when the call returns.
      await send(formatIpv4(group));
      return ["lan1", "lan2"].filter((port, i) => received(port) > (before[i] ?? 0));
    },
    pass: (span) => new Promise((resolve) => setTimeout(resolve, span)),
  });
  test("a frame with the tag of a VLAN is guarded as one without", async () => {
    const sender = await frameSender("lan1far");
    const guard = new NftEnforcement(minutes(60)).open(RULES, LISTENER);
    guard.stand(seconds(60));
    const [FILM, NEWS] = [address("239.1.1.1"), address("239.1.1.2")];
    guard.change([{ port: "lan2", group: FILM }], []);
    const comesOut = (group: Ipv4): boolean => {
      const before = received("lan2");
      sender.send(tagged(ethernet("02:00:00:00:00:07", datagram(address("10.9.1.7"), group, "x")), 10));
      return received("lan2") > before;
    };
    assert.ok(await eventually(() => comesOut(FILM)), "who may have it");
    assert.equal(comesOut(NEWS), false, "who may not");
    guard.guard("lan2", false);
    assert.ok(await eventually(() => comesOut(NEWS)));
    await guard.close();
    sender.close();
  });

  test("no nft program: said in words, with what is needed", () => {
    const path = process.env.PATH;
    process.env.PATH = "/nonexistent";
    try {
      const open = () => new NftEnforcement().open(RULES, LISTENER);
      assert.throws(open, (error) => error instanceof HalError && error.code === "enforcement.missing");
    } finally {
      process.env.PATH = path;
    }
  });

  test("what a killed process left is removed by one that guards nothing, and where nothing is left no fault", async () => {
    new NftEnforcement().open(RULES, LISTENER);
    const tables = () => execFileSync("nft", ["list", "tables"], { encoding: "utf8" });
    assert.match(tables(), /bridge sealcast/);
    await removeLeftGuard();
    await removeLeftGuard();
    assert.doesNotMatch(tables(), /bridge sealcast/);
  });

  test("a table that another version left, of other sets, is replaced", async () => {
    const old = "add table bridge sealcast\nadd set bridge sealcast passes { type ipv4_addr; }\n";
    execFileSync("nft", ["-f", "-"], { input: old });
    const guard = new NftEnforcement().open(RULES, LISTENER);
    assert.deepEqual(guard.inherited(), []);
    await guard.close();
  });

  const nft = (...words: string[]) => execFileSync("nft", words, { encoding: "utf8" });
  const told = () => {
    const log: string[] = [];
    return { log, failed: ({ code }: HalError) => void log.push(code), restored: () => void log.push("restored") };
  };
  const FILM = address("239.1.1.1");
  const passes = () => nft("list", "set", "bridge", "sealcast", "passes");

  test("the guard is put back with all that was said when something takes it away, by itself and at the next change", async () => {
    const listener = told();
    const guard = new NftEnforcement(milliseconds(200)).open(RULES, listener);
    guard.stand(seconds(3600));
    guard.change([{ port: "lan1", group: FILM }], []);
    assert.ok(await eventually(() => passes().includes("239.1.1.1")));
    nft("flush", "ruleset");
    assert.ok(await eventually(() => listener.log.includes("restored")));
    assert.deepEqual(listener.log, ["enforcement.lost", "restored"]);
    const table = nft("list", "table", "bridge", "sealcast");
    for (const part of ['"lan2" }', '"lan1" . 239.1.1.1', "jump gate"]) assert.ok(table.includes(part), table);
    assert.match(table, /timeout (1h|59m)/, "what is left of the time by now");
    // The rules alone.
    nft("flush", "chain", "bridge", "sealcast", "gate");
    assert.ok(await eventually(() => listener.log.length === 4), listener.log.join());
    await guard.close();
  });

  test("a change that finds no guard puts back all of it, the change included", async () => {
    const listener = told();
    const guard = new NftEnforcement(seconds(60)).open(RULES, listener);
    guard.change([{ port: "lan1", group: FILM }], []);
    assert.ok(await eventually(() => passes().includes('"lan1"')));
    nft("flush", "ruleset");
    guard.change([{ port: "lan2", group: FILM }], []);
    assert.ok(await eventually(() => listener.log.length === 2));
    assert.match(passes(), /"lan1" \. 239\.1\.1\.1[^}]*"lan2" \. 239\.1\.1\.1/);
    await guard.close();
    socket.close();
  });
}
