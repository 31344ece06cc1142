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
  /** The name of the interface that has it. */
  readonly localName: string;
  /** Lets time pass until `condition` holds, or a generous limit is over. */
  until(condition: () => boolean): Promise<void>;
}

const GROUP = address("239.255.77.7");

class HeardDatagrams implements DatagramListener {
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
  const { datagrams, local, localName } = bench;
  const multicast = { interfaceAddress: local };

  /** Opens sockets for one test and closes them after it, whatever happened. */
  async function using(
    all: readonly DatagramOptions[],
    run: (s: DatagramSocket[], l: HeardDatagrams[]) => Promise<void>,
  ) {
    const [sockets, listeners]: [DatagramSocket[], HeardDatagrams[]] = [[], []];
    try {
      for (const options of all) {
        const listener = new HeardDatagrams();
        sockets.push(await datagrams.open(options, listener));
        listeners.push(listener);
      }
      await run(sockets, listeners);
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
      async ([a, b], [, listener]) => {
        assert.ok(a !== undefined && b !== undefined && listener !== undefined);
        a.send(bytes("hello"), local, b.port);
        await bench.until(() => listener.heard.length > 0);
        assert.deepEqual(listener.heard, [{ text: "hello", from: local, port: a.port }]);
      },
    );
  });

  test(`${name}: an empty datagram is a datagram`, async () => {
    await using([{ address: local, port: 0 }], async ([a], [listener]) => {
      assert.ok(a !== undefined && listener !== undefined);
      a.send(new Uint8Array(0), local, a.port);
      await bench.until(() => listener.heard.length > 0);
      assert.equal(listener.heard[0]?.text, "");
    });
  });

  test(`${name}: members hear the group, after leaving no more`, async () => {
    const receiver = { address: GROUP, port: 0, reuse: true };
    await using([receiver, { address: ANY, port: 0, multicast }], async ([r, s], [listener]) => {
      assert.ok(r !== undefined && s !== undefined && listener !== undefined);
      r.join({ group: GROUP, interfaceAddress: local });
      s.send(bytes("one"), GROUP, r.port);
      await bench.until(() => listener.heard.length > 0);
      r.leave({ group: GROUP, interfaceAddress: local });
      assert.deepEqual(
        listener.heard.map((d) => d.text),
        ["one"],
      );
      await silent(bench, s, () => s.send(bytes("two"), GROUP, r.port));
      assert.equal(listener.heard.length, 1);
    });
  });

  test(`${name}: an interface may be chosen by its name, and one that is not there is an error of its own`, async () => {
    const multicast = { interfaceAddress: localName };
    const membership = { group: GROUP, interfaceAddress: localName };
    const receiver = { address: GROUP, port: 0, reuse: true };
    await using([receiver, { address: ANY, port: 0, multicast }], async ([r, s], [listener]) => {
      assert.ok(r !== undefined && s !== undefined && listener !== undefined);
      assert.throws(() => r.join({ ...membership, interfaceAddress: "no-such0" }), { code: "datagram.membership" });
      r.join(membership);
      s.send(bytes("by name"), GROUP, r.port);
      await bench.until(() => listener.heard.length > 0);
      assert.deepEqual(listener.heard, [{ text: "by name", from: local, port: s.port }]);
      r.leave(membership);
      await silent(bench, s, () => s.send(bytes("left"), GROUP, r.port));
      assert.equal(listener.heard.length, 1);
    });
  });

  test(`${name}: a source-specific member hears that source only`, async () => {
    const group = address("232.1.77.7");
    const receiver = { address: group, port: 0, reuse: true };
    await using([receiver, { address: ANY, port: 0, multicast }], async ([r, s], [listener]) => {
      assert.ok(r !== undefined && s !== undefined && listener !== undefined);
      r.join({ group, source: address("192.0.2.99"), interfaceAddress: local });
      await silent(bench, s, () => s.send(bytes("stranger"), group, r.port));
      assert.equal(listener.heard.length, 0);
      r.join({ group, source: local, interfaceAddress: local });
      s.send(bytes("right"), group, r.port);
      await bench.until(() => listener.heard.length > 0);
      assert.deepEqual(
        listener.heard.map((d) => d.text),
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
      async ([a, b, s], listeners) => {
        assert.ok(a !== undefined && b !== undefined && s !== undefined);
        for (const socket of [a, b]) socket.join({ group: GROUP, interfaceAddress: local });
        s.send(bytes("both"), GROUP, 40777);
        await bench.until(() => listeners[0]?.heard.length === 1 && listeners[1]?.heard.length === 1);
        assert.deepEqual([listeners[0]?.heard.length, listeners[1]?.heard.length], [1, 1]);
      },
    );
  });

  test(`${name}: who is no member hears nothing, though another socket on this machine is`, async () => {
    const receiver = { address: GROUP, port: 40778, reuse: true };
    await using(
      [receiver, receiver, { address: ANY, port: 0, multicast }],
      async ([member, other, s], [listener, deaf]) => {
        assert.ok(member !== undefined && other !== undefined && s !== undefined && listener !== undefined);
        const membership = { group: GROUP, interfaceAddress: local };
        const say = async (text: string): Promise<void> => {
          const before = listener.heard.length;
          await silent(bench, s, () => s.send(bytes(text), GROUP, 40778));
          await bench.until(() => listener.heard.length > before);
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
      },
    );
  });

  test(`${name}: a port that is taken is datagram.in-use`, async () => {
    await using([{ address: local, port: 0 }], async ([a]) => {
      assert.ok(a !== undefined);
      await assert.rejects(datagrams.open({ address: local, port: a.port }, new HeardDatagrams()), {
        code: "datagram.in-use",
      });
    });
  });

  test(`${name}: an address nobody here has is datagram.address`, async () => {
    const stranger = { address: address("192.0.2.99"), port: 0 };
    await assert.rejects(datagrams.open(stranger, new HeardDatagrams()), { code: "datagram.address" });
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
  const listener = new HeardDatagrams();
  const own = await bench.datagrams.open({ address: bench.local, port: 0 }, listener);
  act();
  sender.send(bytes("marker"), bench.local, own.port);
  await bench.until(() => listener.heard.length > 0);
  own.close();
}
