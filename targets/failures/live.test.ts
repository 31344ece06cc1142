// Hostile datagrams beside the genuine stream, at a set-top that holds the keys: the output is the headend's input, octet for octet.
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { seedOf, withSeed } from "../../core/base/fuzz.testkit.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { type Configured, type Json, scratch, until } from "./bundles.testkit.ts";
import { DATAGRAM, numbered, System } from "./system.testkit.ts";

const ROUNDS = 400;
/** Hostile datagrams to one genuine one. */
const HOSTILE = 100;
const MOST_GROWTH = 64 * 1024 * 1024;
const GROUP = "239.255.79.11";
const MKI = 4;
const TAG = 16;
const folder = scratch("live");
const SEED = seedOf(11);
const entropy = new SeededEntropy(SEED);
const below = (limit: number): number => Math.floor(entropy.below(limit));

/** What somebody who hears the stream, but has no key, can make of it. */
const FORGERIES: Readonly<Record<string, (genuine: Buffer) => Buffer>> = {
  "a wrong tag": (genuine) => flipped(genuine, genuine.length - MKI - 1 - below(TAG)),
  "another text": (genuine) => flipped(genuine, 12 + below(1300)),
  "a sequence number to come": (genuine) =>
    changed(genuine, (view) => view.setUint16(2, view.getUint16(2) + 1 + below(200))),
  "any sequence number": (genuine) => changed(genuine, (view) => view.setUint16(2, below(65_536))),
  "an epoch that does not exist": (genuine) =>
    changed(genuine, (view) => view.setUint32(view.byteLength - MKI, 1_000_000 + below(1000))),
  "another stream's SSRC": (genuine) => flipped(genuine, 8 + below(4)),
  "the packet once more": (genuine) => genuine,
  "a piece of it": (genuine) => genuine.subarray(0, below(genuine.length)),
  "its header before 60,000 octets": (genuine) =>
    Buffer.concat([genuine.subarray(0, 12), Buffer.alloc(60_000, 0x47), genuine.subarray(-MKI)]),
};

function changed(genuine: Buffer, change: (view: DataView) => void): Buffer {
  const copy = Buffer.from(genuine);
  change(new DataView(copy.buffer, copy.byteOffset, copy.byteLength));
  return copy;
}

const flipped = (genuine: Buffer, at: number): Buffer =>
  changed(genuine, (view) => view.setUint8(at, view.getUint8(at) ^ (1 << below(8))));

async function attacker(system: System): Promise<{ strike(genuine: readonly Buffer[]): Promise<void>; close(): void }> {
  const socket = dgram.createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.setMulticastInterface("127.0.0.1");
  const kinds = Object.values(FORGERIES);
  const one = (genuine: readonly Buffer[], n: number): Promise<void> => {
    // The largest ones are few: a receive buffer that the kernel lets run over would prove nothing.
    const forge = n === 0 ? kinds.at(-1) : kinds[n % (kinds.length - 1)];
    const packet = forge?.(genuine[below(genuine.length)] ?? Buffer.alloc(0)) ?? Buffer.alloc(0);
    return new Promise((resolve) => socket.send(packet, system.port, system.group, () => resolve()));
  };
  return {
    strike: async (genuine) => {
      await Promise.all(Array.from({ length: HOSTILE }, (_, n) => one(genuine, n)));
    },
    close: () => socket.close(),
  };
}

const channel = async (settop: Configured): Promise<Json> => (await settop.status()).channels[0];

const received = (settop: Configured, count: number): Promise<Json> =>
  settop.see(`${count} packets`, ({ channels: [one] }: Json) => one.handedOn >= count && one);

test(`${ROUNDS * HOSTILE} forged, replayed, cut and oversized packets cost the viewer not one octet`, () =>
  withSeed(SEED, async () => {
    const system = await System.start(folder, GROUP);
    after(() => system.close());
    const headend = await system.headend({ interval: 10, lead: 9.8, window: 0.5 });
    const path = join(folder, "out.ts");
    const settop = await system.settop("box", { output: { form: "file", path } });
    const capture = await system.capture();
    const enemy = await attacker(system);
    await system.give(50);
    await received(settop, 50);
    await until("the capture", () => capture.packets.length >= 50 || undefined);

    const before = settop.memory;
    const first = await channel(settop);
    for (let round = 0; round < ROUNDS; round++) {
      const recent = capture.packets.filter(({ length }) => length === 12 + DATAGRAM + TAG + MKI).slice(0, 50);
      await enemy.strike(recent);
      await system.give(1);
      await received(settop, 50 + round);
      capture.packets.length = 50;
    }
    const last = await received(settop, system.given);
    assert.ok(settop.memory - before < MOST_GROWTH, `grown by ${settop.memory - before}`);

    const hostile = last.datagrams - first.datagrams - ROUNDS;
    assert.ok(hostile > (ROUNDS * HOSTILE) / 2, `${hostile} of them arrived`);
    const counted = (drops: Record<string, number>): number => Object.values(drops).reduce((sum, n) => sum + n, 0);
    assert.equal(counted(last.drops), hostile, JSON.stringify(last.drops));
    for (const drop of ["bad-tag", "replayed", "truncated", "ssrc", "unknown-mki"])
      assert.ok(last.drops[`srtp.${drop}`] > 0, `${drop}: ${JSON.stringify(last.drops)}`);
    assert.deepEqual([last.received, last.lost, last.handedOn], [system.given, 0, system.given]);
    assert.equal(last.dark, undefined);

    enemy.close();
    capture.close();
    assert.equal((await settop.stop()).code, 0);
    const input = Buffer.concat(Array.from({ length: system.given }, (_, n) => numbered(n)));
    assert.ok(readFileSync(path).equals(input), "what came out is what went in");
    assert.equal((await headend.stop()).code, 0);
    assert.equal((await system.control.stop()).code, 0);
  }));
