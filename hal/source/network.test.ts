// What a network input says of what it did not take.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../../core/base/ipv4.ts";
import type { Datagrams } from "../../core/ports/datagrams.ts";
import { systemClock } from "../clock/system.ts";
import { NodeDatagrams } from "../datagram/node.ts";
import { openNetwork } from "./network.ts";

const LOOPBACK = address("127.0.0.1");

test("datagrams that the kernel dropped are datagram.overflow in status, and strangers have their own name", async () => {
  const datagrams = new NodeDatagrams();
  let overflows: number | undefined;
  const overflowing: Datagrams = {
    open: async (...given) => Object.assign(await datagrams.open(...given), { overflows: () => overflows }),
  };
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
  const source = await openNetwork(input, overflowing, systemClock, intake, listener);
  assert.deepEqual(source.status(), { input: `127.0.0.1:${port}`, taken: 0, drops: {} });
  overflows = 4326;
  const stranger = await datagrams.open({ address: LOOPBACK, port: 0 }, { datagram() {}, failed: assert.fail });
  const known = await datagrams.open({ address: input.source, port: 0 }, { datagram() {}, failed: assert.fail });
  const limit = performance.now() + 10_000;
  stranger.send(new Uint8Array(10), LOOPBACK, port);
  known.send(new Uint8Array(20), LOOPBACK, port);
  while (taken.length === 0 && performance.now() < limit) await new Promise((resolve) => setImmediate(resolve));
  const drops = { "datagram.overflow": 4326, "source.stranger": 1 };
  assert.deepEqual(source.status(), { input: `127.0.0.1:${port}`, taken: 1, drops });
  assert.deepEqual(taken, [20]);
  source.stop();
  for (const socket of [stranger, known]) socket.close();
});
