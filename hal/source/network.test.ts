// What a network input says of what it did not take.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../../core/base/ipv4.ts";
import { systemClock } from "../clock/system.ts";
import { NodeDatagrams } from "../datagram/node.ts";
import { ScriptedQueues } from "../datagram/queues.testkit.ts";
import { openNetwork } from "./network.ts";

const LOOPBACK = address("127.0.0.1");

test("datagrams that the kernel dropped are source.queue-full in status, those of before are not, and strangers have their own name", async () => {
  const datagrams = new NodeDatagrams();
  const queues = new ScriptedQueues();
  queues.dropped = 5;
  const taken: number[] = [];
  const intake = {
    hasRoom: true,
    datagram: (_now: unknown, data: Uint8Array) => taken.push(data.length),
    payload() {},
  };
  const listener = { failed: assert.fail, ended: assert.fail };
  const probe = await datagrams.open({ address: LOOPBACK, port: 0 }, { datagram() {}, failed: assert.fail });
  const { port } = probe;
  probe.close();
  const input = { address: LOOPBACK, port, source: address("127.0.0.2"), interfaceAddress: ANY };
  const source = await openNetwork(input, { datagrams, queues, clock: systemClock }, intake, listener);
  assert.deepEqual(source.status(), { input: `127.0.0.1:${port}`, taken: 0, drops: {} });
  queues.dropped = 4331;
  const stranger = await datagrams.open({ address: LOOPBACK, port: 0 }, { datagram() {}, failed: assert.fail });
  const known = await datagrams.open({ address: input.source, port: 0 }, { datagram() {}, failed: assert.fail });
  const limit = performance.now() + 10_000;
  stranger.send(new Uint8Array(10), LOOPBACK, port);
  known.send(new Uint8Array(20), LOOPBACK, port);
  while (taken.length === 0 && performance.now() < limit) await new Promise((resolve) => setImmediate(resolve));
  const drops = { "source.queue-full": 4326, "source.stranger": 1 };
  assert.deepEqual(source.status(), { input: `127.0.0.1:${port}`, taken: 1, drops });
  assert.deepEqual(taken, [20]);
  source.stop();
  for (const socket of [stranger, known]) socket.close();
});
