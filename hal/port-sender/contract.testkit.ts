// What every PortSender driver must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import type { PortSender } from "../../core/ports/port-sender.ts";

export interface PortSenderBench {
  readonly sender: PortSender;
  /** The bridge br0 has two ports; `spare` is none of its. */
  readonly ports: readonly [string, string];
  readonly spare: string;
  /** How many packets have come out of a port so far. */
  cameOut(port: string): number;
  /** Lets what was sent arrive. */
  settle(): void;
  takeDown(port: string): void;
}

export function portSenderContract(name: string, bench: PortSenderBench): void {
  const { sender, ports, spare } = bench;
  const packet = v1v2Message("v2Report", "10.9.1.1", "239.1.1.1");
  const counts = (): readonly number[] => {
    bench.settle();
    return ports.map((port) => bench.cameOut(port));
  };
  const [a, b] = ports;

  test(`${name}: a packet leaves by its port and no other`, () => {
    const [before = 0, other] = counts();
    sender.send({ bridge: "br0", port: a, packet });
    assert.deepEqual(counts(), [before + 1, other]);
    assert.deepEqual(sender.counts(), {});
  });

  test(`${name}: a port of no such bridge, one that is not there, and one that is down get nothing, which is counted`, () => {
    sender.send({ bridge: "br0", port: spare, packet });
    sender.send({ bridge: "br9", port: a, packet });
    sender.send({ bridge: "br0", port: "none", packet });
    bench.takeDown(b);
    const before = counts();
    sender.send({ bridge: "br0", port: b, packet });
    assert.deepEqual(counts(), before);
    // A port that has just gone down may show first when the kernel refuses the packet.
    const { "port-sender.not-forwarding": idle = 0, "port-sender.failed": failed = 0 } = sender.counts();
    assert.ok(idle >= 3 && idle + failed === 4, JSON.stringify(sender.counts()));
  });
}
