// What every Datagrams driver must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY, address, type Ipv4 } from "../../core/base/ipv4.ts";
import type { DatagramListener, DatagramOptions, DatagramSocket, Datagrams } from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";

export interface DatagramBench {
  readonly datagrams: Datagrams;
  /** An address of this machine that multicast can go out of and come back to. */
  readonly local: Ipv4;
  /** Lets time pass until `condition` holds, or a generous limit is over. */
  until(condition: () => boolean): Promise<void>;
}

const GROUP = address("239.255.77.7");

class Ear implements DatagramListener {
  readonly heard: { text: string; from: Ipv4; port: number }[] = [];

  datagram(payload: Uint8Array, from: Ipv4, port: number): void {
    this.heard.push({ text: new TextDecoder().decode(payload), from, port });
    payload.fill(0);
  }

  failed(error: HalError): void {
    throw error;
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

export function datagramContract(name: string, bench: DatagramBench): void {
  const { datagrams, local } = bench;
  const multicast = { interfaceAddress: local };

  /** Opens sockets for one test and closes them after it, whatever happened. */
  async function using(all: readonly DatagramOptions[], run: (s: DatagramSocket[], e: Ear[]) => Promise<void>) {
    const [sockets, ears]: [DatagramSocket[], Ear[]] = [[], []];
    try {
      for (const options of all) {
        const ear = new Ear();
        sockets.push(await datagrams.open(options, ear));
        ears.push(ear);
      }
      await run(sockets, ears);
    } finally {
      for (const socket of sockets) socket.close();
    }
  }

  test(`${name}: a datagram arrives once, with who sent it`, async () => {
    await using(
      [
        { address: local, port: 0 },
        { address: local, port: 0 },
      ],
      async ([a, b], [, ear]) => {
        assert.ok(a !== undefined && b !== undefined && ear !== undefined);
        a.send(bytes("hello"), local, b.port);
        await bench.until(() => ear.heard.length > 0);
        assert.deepEqual(ear.heard, [{ text: "hello", from: local, port: a.port }]);
      },
    );
  });

  test(`${name}: an empty datagram is a datagram`, async () => {
    await using([{ address: local, port: 0 }], async ([a], [ear]) => {
      assert.ok(a !== undefined && ear !== undefined);
      a.send(new Uint8Array(0), local, a.port);
      await bench.until(() => ear.heard.length > 0);
      assert.equal(ear.heard[0]?.text, "");
    });
  });

  test(`${name}: members hear the group, after leaving no more`, async () => {
    const receiver = { address: GROUP, port: 0, reuse: true };
    await using([receiver, { address: ANY, port: 0, multicast }], async ([r, s], [ear]) => {
      assert.ok(r !== undefined && s !== undefined && ear !== undefined);
      r.join({ group: GROUP, interfaceAddress: local });
      s.send(bytes("one"), GROUP, r.port);
      await bench.until(() => ear.heard.length > 0);
      r.leave({ group: GROUP, interfaceAddress: local });
      assert.deepEqual(
        ear.heard.map((d) => d.text),
        ["one"],
      );
      await silent(bench, s, () => s.send(bytes("two"), GROUP, r.port));
      assert.equal(ear.heard.length, 1);
    });
  });

  test(`${name}: a source-specific member hears that source only`, async () => {
    const group = address("232.1.77.7");
    const receiver = { address: group, port: 0, reuse: true };
    await using([receiver, { address: ANY, port: 0, multicast }], async ([r, s], [ear]) => {
      assert.ok(r !== undefined && s !== undefined && ear !== undefined);
      r.join({ group, source: address("192.0.2.99"), interfaceAddress: local });
      await silent(bench, s, () => s.send(bytes("stranger"), group, r.port));
      assert.equal(ear.heard.length, 0);
      r.join({ group, source: local, interfaceAddress: local });
      s.send(bytes("right"), group, r.port);
      await bench.until(() => ear.heard.length > 0);
      assert.deepEqual(
        ear.heard.map((d) => d.text),
        ["right"],
      );
    });
  });

  test(`${name}: sockets that reuse a port each hear the group`, async () => {
    await using(
      [
        { address: GROUP, port: 40777, reuse: true },
        { address: GROUP, port: 40777, reuse: true },
        { address: ANY, port: 0, multicast },
      ],
      async ([a, b, s], ears) => {
        assert.ok(a !== undefined && b !== undefined && s !== undefined);
        for (const socket of [a, b]) socket.join({ group: GROUP, interfaceAddress: local });
        s.send(bytes("both"), GROUP, 40777);
        await bench.until(() => ears[0]?.heard.length === 1 && ears[1]?.heard.length === 1);
        assert.deepEqual([ears[0]?.heard.length, ears[1]?.heard.length], [1, 1]);
      },
    );
  });

  test(`${name}: who is no member hears nothing, though another socket on this machine is`, async () => {
    const receiver = { address: GROUP, port: 40778, reuse: true };
    await using([receiver, receiver, { address: ANY, port: 0, multicast }], async ([member, other, s], [ear, deaf]) => {
      assert.ok(member !== undefined && other !== undefined && s !== undefined && ear !== undefined);
      const membership = { group: GROUP, interfaceAddress: local };
      const say = async (text: string): Promise<void> => {
        const before = ear.heard.length;
        await silent(bench, s, () => s.send(bytes(text), GROUP, 40778));
        await bench.until(() => ear.heard.length > before);
      };
      member.join(membership);
      await say("before the join");
      other.join(membership);
      await say("joined");
      other.leave(membership);
      await say("after the leave");
      assert.deepEqual(
        deaf?.heard.map(({ text }) => text),
        ["joined"],
      );
    });
  });

  test(`${name}: a port that is taken is datagram.in-use`, async () => {
    await using([{ address: local, port: 0 }], async ([a]) => {
      assert.ok(a !== undefined);
      await assert.rejects(datagrams.open({ address: local, port: a.port }, new Ear()), { code: "datagram.in-use" });
    });
  });

  test(`${name}: an address nobody here has is datagram.address`, async () => {
    const stranger = { address: address("192.0.2.99"), port: 0 };
    await assert.rejects(datagrams.open(stranger, new Ear()), { code: "datagram.address" });
  });

  test(`${name}: a membership that cannot be is datagram.membership`, async () => {
    await using([{ address: ANY, port: 0 }], async ([a]) => {
      const wrong = { code: "datagram.membership" };
      assert.throws(() => a?.join({ group: address("10.1.1.1"), interfaceAddress: local }), wrong);
      assert.throws(() => a?.leave({ group: GROUP, interfaceAddress: local }), wrong);
      assert.throws(() => a?.join({ group: GROUP, interfaceAddress: address("192.0.2.99") }), wrong);
    });
  });

  test(`${name}: send never throws: what fails is told to sent`, async () => {
    const told: (HalError | undefined)[] = [];
    await using([{ address: ANY, port: 0 }], async ([a]) => {
      assert.ok(a !== undefined);
      a.send(new Uint8Array(70_000), local, 9, (error) => told.push(error));
      a.close();
      a.close();
      a.send(bytes("late"), local, 9, (error) => told.push(error));
      await bench.until(() => told.length === 2);
    });
    assert.equal(told.length, 2);
    for (const error of told) assert.ok(error instanceof HalError && error.code === "datagram.send");
  });
}

/** Does `act`, then waits for one more datagram of the same sender to itself: what was going to arrive has arrived. */
async function silent(bench: DatagramBench, sender: DatagramSocket, act: () => void): Promise<void> {
  const ear = new Ear();
  const own = await bench.datagrams.open({ address: bench.local, port: 0 }, ear);
  act();
  sender.send(bytes("marker"), bench.local, own.port);
  await bench.until(() => ear.heard.length > 0);
  own.close();
}
