// Two hundred thousand hostile octet strings at what listens: the process lives, counts them by name, and does not grow.
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { seedOf, withSeed } from "../../core/base/fuzz.testkit.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { freeUdpPort } from "../../hal/free-port.testkit.ts";
import {
  Configured,
  controlConfig,
  headendConfig,
  type Json,
  makeIdentity,
  scratch,
  settopConfig,
} from "./bundles.testkit.ts";

const PACKETS = 200_000;
const BATCH = 200;
const MOST_GROWTH = 64 * 1024 * 1024;
const folder = scratch("flood");
makeIdentity("settop", "box", join(folder, "box.json"));
makeIdentity("headend", "headend", join(folder, "headend.json"));

/** What a stranger may send to a media port. */
function hostile(entropy: SeededEntropy): Uint8Array {
  const kind = Math.floor(entropy.below(4));
  const packet = entropy.bytes(Math.floor([entropy.below(12), 60, 188, 1400][kind] ?? 60));
  if (kind > 1 && packet.length > 1) packet.set([0x80, 33]);
  return packet;
}

const SEED = seedOf(7);
const entropy = new SeededEntropy(SEED);
const SAMPLES = Array.from({ length: 500 }, () => hostile(entropy));
SAMPLES.push(new Uint8Array(0), new Uint8Array(60_000).fill(0x47), new Uint8Array(1316).fill(0x47));

/** Batches that the receiver has looked at before the next one goes: what is lost in the kernel proves nothing. */
async function flood(target: Configured, address: string, port: number): Promise<void> {
  const socket = dgram.createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.setMulticastInterface("127.0.0.1");
  for (let sent = 0; sent < PACKETS; sent += BATCH) {
    await new Promise<void>((resolve) => {
      let left = BATCH;
      for (let n = 0; n < BATCH; n++)
        socket.send(SAMPLES[(sent + n) % SAMPLES.length] as Uint8Array, port, address, () => --left === 0 && resolve());
    });
    if (sent % (BATCH * 10) === 0) await target.status();
  }
  await new Promise<void>((resolve) => socket.close(resolve));
}

async function withoutGrowth(target: Configured, attack: () => Promise<void>): Promise<Json> {
  const before = target.memory;
  await attack();
  const status = await target.status();
  const grown = target.memory - before;
  assert.ok(grown < MOST_GROWTH, `grown by ${Math.round(grown / 1024)} KiB`);
  return status;
}

const total = (drops: Record<string, number>): number => Object.values(drops).reduce((sum, count) => sum + count, 0);

test(`a set-top under ${PACKETS} hostile datagrams`, () =>
  withSeed(SEED, async () => {
    const port = await freeUdpPort();
    const channels = [{ id: "one", group: "239.255.79.1", port }];
    const settop = new Configured("settop", folder, settopConfig(folder, { channels }));
    await settop.running();
    await settop.see(
      "the group joined",
      ({ channels: [one] }: Json) => one?.viewing.membership.kind === "joined" || undefined,
    );
    const {
      channels: [one],
    } = await withoutGrowth(settop, () => flood(settop, "239.255.79.1", port));
    assert.ok(one.datagrams > PACKETS / 4, `${one.datagrams} datagrams`);
    assert.equal(total(one.drops), one.datagrams, JSON.stringify(one.drops));
    assert.equal(one.handedOn, 0);
    assert.equal((await settop.stop()).code, 0);
  }));

for (const kind of ["udp", "rtp"]) {
  test(`a headend under ${PACKETS} hostile datagrams at its ${kind} input`, () =>
    withSeed(SEED, async () => {
      const port = await freeUdpPort();
      const input = { kind, address: "127.0.0.1", port };
      const channels = [{ id: "one", group: "239.255.79.2", port: 5004, input }];
      const headend = new Configured("headend", folder, headendConfig(folder, { channels }));
      await headend.running();
      const {
        channels: [one],
      } = await withoutGrowth(headend, () => flood(headend, "127.0.0.1", port));
      assert.ok(one.output.drops["headend.not-ts"] > 0, JSON.stringify(one.output));
      assert.ok(one.output.drops[kind === "udp" ? "headend.no-epoch" : "rtp.version"] > 0, JSON.stringify(one.output));
      assert.equal(one.output.packets, 0);
      assert.equal((await headend.stop()).code, 0);
    }));
}

test("control's broker under 2,000 connections that speak no MQTT, or too much of it", () =>
  withSeed(SEED, async () => {
    const control = new Configured("control", folder, controlConfig(folder));
    await control.running();
    const port = (await control.status()).broker.ports[0];
    const attack = async (): Promise<void> => {
      for (let n = 0; n < 2000; n++) {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => {});
        socket.resume();
        const bytes = n % 2 === 0 ? entropy.bytes(400) : Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4, 77);
        socket.end(bytes);
        await once(socket, "close");
      }
    };
    const { broker } = await withoutGrowth(control, attack);
    assert.ok(broker.drops["broker.oversized"] >= 1000, JSON.stringify(broker));
    assert.equal(broker.clients, 0);
    assert.equal((await control.stop()).code, 0);
  }));
