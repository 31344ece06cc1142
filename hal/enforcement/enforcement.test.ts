import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { address, formatIpv4 } from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { inNamespace } from "../in-namespace.testkit.ts";
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
    enforcement: new NftEnforcement(),
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
  test("no nft program: said in words, with what is needed", () => {
    const path = process.env.PATH;
    process.env.PATH = "/nonexistent";
    try {
      const rules = { groups: [{ address: address("239.1.0.0"), prefixLength: 16 }], afterwards: "closed" } as const;
      const open = () => new NftEnforcement().open(rules, assert.fail);
      assert.throws(open, (error) => error instanceof HalError && error.code === "enforcement.missing");
    } finally {
      process.env.PATH = path;
    }
  });

  test("what a killed process left is removed by one that guards nothing, and where nothing is left no fault", async () => {
    const rules = { groups: [{ address: address("239.1.0.0"), prefixLength: 16 }], afterwards: "closed" } as const;
    new NftEnforcement().open(rules, assert.fail);
    const tables = () => execFileSync("nft", ["list", "tables"], { encoding: "utf8" });
    assert.match(tables(), /bridge sealcast/);
    await removeLeftGuard();
    await removeLeftGuard();
    assert.doesNotMatch(tables(), /bridge sealcast/);
  });

  test("a table that another version left, of other sets, is replaced", async () => {
    const old = "add table bridge sealcast\nadd set bridge sealcast passes { type ipv4_addr; }\n";
    execFileSync("nft", ["-f", "-"], { input: old });
    const rules = { groups: [{ address: address("239.1.0.0"), prefixLength: 16 }], afterwards: "closed" } as const;
    const guard = new NftEnforcement().open(rules, assert.fail);
    assert.deepEqual(guard.inherited(), []);
    await guard.close();
    socket.close();
  });
}
