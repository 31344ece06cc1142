// What control permits, over a broker that comes and goes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { Endpoint } from "../../core/control/endpoint.ts";
import { Mailbox } from "../../core/control/mailbox.ts";
import type { Permit } from "../../core/router/policy/permits.ts";
import { SimulatedBroker } from "../../hal/bus/simulated.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { createLogger } from "../shared/log.ts";
import { MembershipReports } from "./membership-reports.ts";

const primitives = new NodePrimitives();
const GROUP = address("239.1.9.1");
const MAC = "02:00:00:00:00:11";

/** A router, and a reception server whose answer to every card is GROUP. */
function bench() {
  const clock = new SimulatedClock();
  const entropy = new SeededEntropy(1);
  const broker = new SimulatedBroker(clock, entropy);
  const [routerKeys, serverKeys] = [primitives.x25519Generate(), primitives.x25519Generate()];
  const server = { role: "reception", id: "reception-1", publicKey: serverKeys.publicKey } as const;
  const router = { role: "router", id: "router-1", publicKey: routerKeys.publicKey } as const;
  const peer = { role: "reception", id: server.id, keys: serverKeys, peers: [router] } as const;
  const endpoint: Endpoint = new Endpoint(
    broker.connector("reception"),
    { mailbox: new Mailbox(peer, primitives, entropy), clock, primitives },
    {
      message({ message, request }) {
        if (request === undefined || message.type !== "permits.request") return;
        const permits = message.macs.map((mac) => ({ mac, groups: [GROUP] }));
        endpoint.answer(request, { type: "permits", id: message.id, permits });
      },
      notice() {},
      up() {},
      down() {},
      dropped: (drop) => assert.fail(drop),
    },
  );
  const log = createLogger({ level: "silent", format: "json", toStderr: true }, "router", router.id);
  const buses = broker.connector("router");
  const client = { clock, entropy, primitives, buses, keys: routerKeys, log };
  const heard: Permit[] = [];
  const reports = new MembershipReports(router.id, server, client, { limit: 256, evidenceLog: undefined });
  return { clock, broker, heard, ask: () => reports.inquire([MAC], (permits) => heard.push(...permits)) };
}

test("the word of control reaches the router that asked, sealed and within a second", () => {
  const { clock, heard, ask } = bench();
  clock.run(seconds(1));
  ask();
  clock.run(seconds(1));
  assert.deepEqual(heard, [{ mac: MAC, groups: [GROUP] }]);
});

test("what was asked while the broker was away is answered when it is back", () => {
  const { clock, broker, heard, ask } = bench();
  clock.run(seconds(1));
  broker.stop();
  ask();
  clock.run(seconds(100));
  assert.deepEqual(heard, []);
  broker.start();
  clock.run(seconds(60));
  assert.deepEqual(heard, [{ mac: MAC, groups: [GROUP] }]);
});
