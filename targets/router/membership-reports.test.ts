// The evidence over a broker that comes and goes: nothing lost, nothing twice, in order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { Endpoint } from "../../core/control/endpoint.ts";
import { Mailbox } from "../../core/control/mailbox.ts";
import type { MessageOf } from "../../core/control/messages.ts";
import { SimulatedBroker } from "../../hal/bus/simulated.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { createLogger } from "../shared/log.ts";
import { changeWord, MembershipReports } from "./membership-reports.ts";

const primitives = new NodePrimitives();

/** A router's evidence and a reception server that acknowledges every report. */
function bench() {
  const clock = new SimulatedClock();
  const entropy = new SeededEntropy(1);
  const broker = new SimulatedBroker(clock, entropy);
  const [routerKeys, serverKeys] = [primitives.x25519Generate(), primitives.x25519Generate()];
  const server = { role: "reception", id: "reception-1", publicKey: serverKeys.publicKey } as const;
  const router = { role: "router", id: "router-1", publicKey: routerKeys.publicKey } as const;
  const reports: MessageOf<"membership.report">[] = [];
  const mailbox = new Mailbox(
    { role: "reception", id: server.id, keys: serverKeys, peers: [router] },
    primitives,
    entropy,
  );
  const endpoint: Endpoint = new Endpoint(
    broker.connector("reception"),
    { mailbox, clock, primitives },
    {
      message({ message, request }) {
        if (message.type !== "membership.report" || request === undefined) return;
        reports.push(message);
        endpoint.answer(request, { type: "membership.acknowledged", id: message.id, sequence: message.sequence });
      },
      notice() {},
      up() {},
      down() {},
      dropped: (drop) => assert.fail(drop),
    },
  );
  const log = createLogger({ level: "silent", format: "json", toStderr: true }, "router", router.id);
  const buses = broker.connector("router");
  const membershipReports = new MembershipReports(router.id, server, {
    clock,
    entropy,
    primitives,
    buses,
    keys: routerKeys,
    log,
  });
  const add = (at: number): void =>
    membershipReports.add({
      change: "joined",
      interface: "br-lan",
      port: "lan1",
      host: address("10.2.0.11"),
      mac: "02:00:00:00:00:05",
      group: address("239.255.77.1"),
      sources: [],
      at,
    });
  return { clock, broker, reports, membershipReports, add };
}

const times = (reports: readonly MessageOf<"membership.report">[]): number[] =>
  reports.flatMap(({ changes }) => changes.map(({ at }) => at));

test("changes reach the reception server within a second, with port and MAC", () => {
  const { clock, reports, add } = bench();
  clock.run(seconds(1));
  add(1);
  clock.run(seconds(1));
  assert.deepEqual(times(reports), [1]);
  const [change] = reports.flatMap(({ changes }) => changes);
  assert.deepEqual([change?.port, change?.mac], ["lan1", "02:00:00:00:00:05"]);
});

test("while the broker is away changes wait; when it is back they arrive once, in order", () => {
  const { clock, broker, reports, add, membershipReports } = bench();
  clock.run(seconds(1));
  broker.stop();
  for (let n = 0; n < 300; n++) {
    add(n);
    clock.run(seconds(0.1));
  }
  assert.deepEqual(times(reports), []);
  assert.equal((membershipReports.status() as { connected: boolean }).connected, false);
  broker.start();
  clock.run(seconds(60));
  const once = [...new Map(reports.map((report) => [report.sequence, report])).values()];
  assert.deepEqual(
    times(once),
    Array.from({ length: 300 }, (_, n) => n),
  );
  assert.deepEqual(membershipReports.status(), { connected: true, broker: "connected", waiting: 0, drops: {} });
});

test("only a host that said so has left; all else has expired", () => {
  assert.deepEqual([changeWord("left"), changeWord("expired"), changeWord("down")], ["left", "expired", "expired"]);
});
