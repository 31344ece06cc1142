// What a network input says of what it did not take.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address } from "../../core/base/ipv4.ts";
import type { DatagramListener, DatagramSocket } from "../../core/ports/datagrams.ts";
import { systemClock } from "../clock/system.ts";
import { openNetwork } from "./network.ts";

test("datagrams that the kernel dropped are datagram.overflow in status, and strangers have their own name", async () => {
  let heard: DatagramListener | undefined;
  let overflows: number | undefined;
  const socket = { port: 5004, overflows: () => overflows, close() {} } as Partial<DatagramSocket> as DatagramSocket;
  const datagrams = {
    open: async (_options: unknown, listener: DatagramListener) => {
      heard = listener;
      return socket;
    },
  };
  const taken: number[] = [];
  const intake = {
    hasRoom: true,
    datagram: (_now: unknown, data: Uint8Array) => taken.push(data.length),
    payload() {},
  };
  const known = address("10.0.0.2");
  const input = { address: address("10.0.0.1"), port: 5004, source: known, interfaceAddress: ANY };
  const source = await openNetwork(input, datagrams, systemClock, intake, { failed: assert.fail, ended: assert.fail });
  assert.deepEqual(source.status(), { input: "10.0.0.1:5004", taken: 0, drops: {} });
  overflows = 4326;
  heard?.datagram(new Uint8Array(10), address("10.0.0.9"), 1);
  heard?.datagram(new Uint8Array(20), known, 1);
  const drops = { "datagram.overflow": 4326, "source.stranger": 1 };
  assert.deepEqual(source.status(), { input: "10.0.0.1:5004", taken: 1, drops });
  assert.deepEqual(taken, [20]);
  source.stop();
});
