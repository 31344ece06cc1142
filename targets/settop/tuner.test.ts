// A channel's socket: when it is joined, left and joined again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import type { DatagramListener, Datagrams } from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import { bench } from "../../core/settop/playout.testkit.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { Tuner } from "./tuner.ts";

/** A socket that opens when told. */
class HeldDatagrams implements Datagrams {
  listener: DatagramListener | undefined;
  readonly log: string[] = [];
  #resolve: (() => void) | undefined;
  refuse = false;
  overflows = 0;

  open(_options: unknown, listener: DatagramListener): Promise<never> {
    this.listener = listener;
    const socket = {
      port: 1,
      join: () => {
        if (this.refuse) throw new HalError("datagram.membership", "no such interface");
        this.log.push("join");
      },
      leave: () => this.log.push("leave"),
      send: () => {},
      overflows: () => this.overflows,
      close: () => this.log.push("close"),
    };
    return new Promise((resolve) => {
      this.#resolve = () => resolve(socket as never);
    });
  }

  async release(): Promise<void> {
    this.#resolve?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function tunerBench(source?: ReturnType<typeof address>) {
  const { playout, use, packet, granted, output } = bench();
  use(1);
  granted();
  const datagrams = new HeldDatagrams();
  const told: string[] = [];
  const clock = new SimulatedClock();
  const options = { datagrams, clock, interfaceAddress: address("0.0.0.0"), receiveBuffer: 4096 };
  const channel = { id: "one", group: address("232.1.1.1"), port: 5004, ...(source === undefined ? {} : { source }) };
  const listener = { joined: () => told.push("joined"), failed: (error: HalError) => told.push(error.code) };
  return { tuner: new Tuner(options, channel, playout, listener), clock, datagrams, told, packet, output };
}

test("a channel with a source takes nothing from another sender: settop.source", async () => {
  const { tuner, datagrams, packet, output } = tunerBench(address("10.0.0.1"));
  tuner.join();
  await datagrams.release();
  datagrams.listener?.datagram(packet(), address("10.0.0.9"), 5004);
  datagrams.listener?.datagram(packet(), address("10.0.0.1"), 5004);
  assert.equal(tuner.drops()["settop.source"], 1);
  assert.equal(output.packets.length, 1);
});

test("what finds no room in the kernel's queue is counted over every socket that the channel has had", async () => {
  const { tuner, datagrams } = tunerBench();
  for (const overflows of [3, 4]) {
    tuner.join();
    await datagrams.release();
    datagrams.overflows = overflows - 1;
    tuner.drops();
    datagrams.overflows = overflows;
    assert.equal(tuner.drops()["datagram.overflow"], overflows === 3 ? 3 : 8);
    datagrams.overflows++;
    tuner.leave();
    datagrams.overflows = 0;
  }
  assert.deepEqual(tuner.drops(), { "datagram.overflow": 9 });
});

test("a leave while the socket is still being opened: it is closed when it comes, and never joined", async () => {
  const { tuner, datagrams, told } = tunerBench();
  tuner.join();
  tuner.leave();
  await datagrams.release();
  assert.deepEqual(datagrams.log, ["close"]);
  assert.deepEqual(told, []);
});

test("a membership that is refused closes the socket and is told by name", async () => {
  const { tuner, datagrams, told } = tunerBench();
  datagrams.refuse = true;
  tuner.join();
  await datagrams.release();
  assert.deepEqual(datagrams.log, ["close"]);
  assert.deepEqual(told, ["datagram.membership"]);
});

test("a socket that dies is told once, and what it says afterwards is not heard", async () => {
  const { tuner, datagrams, told } = tunerBench();
  tuner.join();
  await datagrams.release();
  datagrams.listener?.failed(new HalError("datagram.failed", "gone"));
  datagrams.listener?.failed(new HalError("datagram.failed", "gone"));
  assert.deepEqual(told, ["joined", "datagram.failed"]);
  tuner.close();
  assert.deepEqual(datagrams.log, ["join", "close"]);
});

test("a group that has fallen silent is joined again after 15 s, then 30 s, and not while packets come", async () => {
  const { tuner, clock, datagrams, packet } = tunerBench();
  tuner.join();
  await datagrams.release();
  for (let n = 0; n < 6; n++) {
    clock.run(seconds(10));
    datagrams.listener?.datagram(packet(), address("10.0.0.1"), 5004);
  }
  assert.deepEqual(datagrams.log.splice(0), ["join"]);
  clock.run(seconds(31));
  await datagrams.release();
  assert.deepEqual(datagrams.log.splice(0), ["leave", "close", "join"]);
  clock.run(seconds(29));
  assert.deepEqual(datagrams.log, []);
  clock.run(seconds(1));
  await datagrams.release();
  assert.deepEqual(datagrams.log.splice(0), ["leave", "close", "join"]);
  tuner.leave();
  clock.run(seconds(600));
  assert.deepEqual(datagrams.log, ["leave", "close"]);
});
