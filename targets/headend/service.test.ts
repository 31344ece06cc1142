// A headend in this process with real sockets on loopback, a simulated broker, and a key server that says yes.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { after, instant, milliseconds } from "../../core/base/time.ts";
import { Endpoint } from "../../core/control/endpoint.ts";
import { Mailbox } from "../../core/control/mailbox.ts";
import type { EpochKey, Message } from "../../core/control/messages.ts";
import type { Presence } from "../../core/control/presence.ts";
import { isDiscontinuity, TS_PACKET, TS_PAYLOAD } from "../../core/mpegts/packet.ts";
import { isManifest } from "../../core/stream/manifest.ts";
import { StreamReceiver } from "../../core/stream/receiver.ts";
import { SourceGate } from "../../core/stream/source-gate.ts";
import { payloadTypeOf } from "../../core/stream/stream.testkit.ts";
import { SimulatedBroker } from "../../hal/bus/simulated.ts";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { NodeDatagrams } from "../../hal/datagram/node.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { createLogger } from "../shared/log.ts";
import type { ChannelConfig, HeadendConfig } from "./config.ts";
import { MortalDatagrams } from "./mortal-datagrams.testkit.ts";
import { HeadendService } from "./service.ts";

const LOOPBACK = address("127.0.0.1");
const SAMPLE = new Uint8Array(readFileSync("scripts/sample/test-card.mpegts"));
const primitives = new NodePrimitives();
const log = createLogger({ level: "silent", format: "json", toStderr: false }, "headend", "h");

/** A key server that takes every proposal and makes keys when it is asked; and a receiver that gets every key at once. */
class World {
  readonly broker = new SimulatedBroker(systemClock, systemEntropy);
  readonly serverKeys = primitives.x25519Generate();
  readonly headendKeys = primitives.x25519Generate();
  readonly datagrams = new NodeDatagrams();
  readonly headendSockets = new MortalDatagrams(this.datagrams);
  /** What the headend said of itself, the newest last. */
  readonly presences: Presence[] = [];
  readonly payload: number[] = [];
  /** Datagrams as they came. */
  readonly onWire: Uint8Array[] = [];
  readonly heard: Message[] = [];
  receiver!: StreamReceiver;
  payloadType = 0;
  says: (message: Message) => Message | undefined = (message) => this.takes(message);
  stdin = new PassThrough();
  finished = false;
  port = 0;
  #closers: (() => unknown)[] = [];
  #waiters: { readonly done: () => boolean; readonly resolve: () => void }[] = [];

  async start(channel: Partial<ChannelConfig>): Promise<HeadendService> {
    this.receiver = new StreamReceiver({
      ciphers: nodeCiphers,
      suite: channel.suite ?? "AEAD_AES_128_GCM",
      mkiLength: channel.mki ?? 4,
      ssrc: 7,
    });
    this.receiver.position(0, 0);
    const socket = await this.datagrams.open(
      { address: LOOPBACK, port: 0, receiveBuffer: 4 << 20 },
      { datagram: (packet) => this.#arrived(packet), failed: assert.fail },
    );
    this.port = socket.port;
    this.#closers.push(() => socket.close());
    this.#serveKeys();
    const service = await HeadendService.start(this.#config(channel), {
      clock: systemClock,
      entropy: systemEntropy,
      datagrams: this.headendSockets,
      ciphers: nodeCiphers,
      stdin: this.stdin as unknown as NodeJS.ReadStream,
      log,
      primitives,
      buses: this.broker.connector("headend"),
      keys: this.headendKeys,
      finished: () => {
        this.finished = true;
        this.#look();
      },
    });
    this.#closers.unshift(() => service.stop());
    return service;
  }

  async stop(): Promise<void> {
    for (const close of this.#closers) await close();
  }

  takes(message: Message): Message | undefined {
    if (message.type === "epoch.proposal") {
      this.#install(message.key);
      return { type: "epoch.accepted", id: message.id, channel: "news", epoch: message.key.epoch };
    }
    if (message.type !== "epoch.wanted") return undefined;
    const key = { epoch: 5, masterKey: systemEntropy.bytes(16), masterSalt: systemEntropy.bytes(12) };
    this.#install(key);
    return { type: "epoch.offer", id: message.id, channel: "news", key, switchIn: 0 };
  }

  /** Resolves when `done` holds, looked at after each event; fails after 10 s. */
  until(done: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const alarm = systemClock.alarm(after(systemClock.now(), milliseconds(10_000)), () =>
        reject(new Error(`not within 10 s; ${JSON.stringify(this.receiver.snapshot())}`)),
      );
      const succeed = (): void => {
        alarm.cancel();
        resolve();
      };
      this.#waiters.push({ done, resolve: succeed });
      this.#look();
    });
  }

  #look(): void {
    for (const waiter of this.#waiters.filter(({ done }) => done())) {
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }

  #arrived(packet: Uint8Array): void {
    this.onWire.push(new Uint8Array(packet));
    const length = this.receiver.unprotect(packet);
    if (typeof length === "number") {
      this.payloadType = payloadTypeOf(packet);
      for (let i = 12; i < length; i++) this.payload.push(packet[i] ?? 0);
    }
    this.#look();
  }

  #install(key: EpochKey): void {
    this.receiver.retire(key.epoch - 3);
    this.receiver.install(key.epoch, key.masterKey, key.masterSalt);
  }

  #serveKeys(): void {
    const keys = this.serverKeys;
    const peer = { role: "headend", id: "h", publicKey: this.headendKeys.publicKey } as const;
    const mailbox = new Mailbox({ role: "keyserver", id: "ks", keys, peers: [peer] }, primitives, systemEntropy);
    const endpoint: Endpoint = new Endpoint(
      this.broker.connector("keyserver"),
      { mailbox, clock: systemClock, primitives },
      {
        message: ({ message, request }) => {
          this.heard.push(message);
          const answer = this.says(message);
          if (answer !== undefined && request !== undefined) endpoint.answer(request, answer);
          this.#look();
        },
        notice: () => {},
        up: () => {},
        down: () => {},
        dropped: (drop, detail) => assert.fail(`${drop} ${detail}`),
      },
    );
    void endpoint.watchPresence("headend", (_, presence) => {
      this.presences.push(presence);
      this.#look();
    });
    this.#closers.push(() => endpoint.close());
  }

  #config(channel: Partial<ChannelConfig>): HeadendConfig {
    return {
      id: "h",
      log: { level: "silent", format: "json" },
      broker: { url: "mqtt://nowhere:1", protocolVersion: 4 },
      identity: "unused",
      keyServer: { id: "ks", publicKey: this.serverKeys.publicKey },
      cipher: "node",
      datagrams: "node",
      interfaceAddress: LOOPBACK,
      ttl: 1,
      channels: [
        {
          id: "news",
          group: LOOPBACK,
          port: this.port,
          input: { kind: "file", path: "scripts/sample/test-card.mpegts", loop: true },
          content: "ts",
          ssrc: 7,
          suite: "AEAD_AES_128_GCM",
          mki: 4,
          keys: "headend",
          interval: 300,
          overlap: 2,
          shortestLead: 0.1,
          position: "zero",
          largest: 1500,
          sign: false,
          signWindow: 50,
          ...channel,
        },
      ],
    };
  }
}

const scenario = (name: string, play: (world: World) => Promise<void>): void => {
  test(name, async () => {
    const world = new World();
    try {
      await play(world);
    } finally {
      await world.stop();
    }
  });
};

/** Packet for packet the file, again and again: but for its counters, which go on, and the marks where it begins anew. */
function assertLooped(payload: readonly number[], source: Uint8Array): void {
  const whole = source.length - (source.length % TS_PACKET);
  const stream = Uint8Array.from(payload);
  const told = (of: Uint8Array, at: number) =>
    of.subarray(at, at + TS_PACKET).map((octet, i) => (i === 3 ? octet & 0xf0 : octet));
  let next = 0;
  for (let at = 0; at < stream.length; at += TS_PACKET) {
    if (isDiscontinuity(stream, at)) continue;
    assert.deepEqual(told(stream, at), told(source, next), `packet at ${at}`);
    next = (next + TS_PACKET) % whole;
  }
}

interface Shown {
  readonly channels: readonly {
    readonly epoch?: number;
    readonly raised: readonly string[];
    readonly output: {
      readonly packets: number;
      readonly drops: Record<string, number>;
      readonly fault?: string;
    };
    readonly source: { readonly fault?: string };
  }[];
}

const shown = (service: HeadendService) => {
  const [channel] = (service.status() as Shown).channels;
  assert.ok(channel);
  return channel;
};

scenario("a file at its PCR rate: five keys, no packet lost, the clear stream identical to the file", async (world) => {
  const service = await world.start({ interval: 0.5, lead: 0.2 });
  await world.until(() => world.receiver.lastEpoch === 5);
  const { received, lost, duplicated, undecryptable } = world.receiver.statistics;
  assert.deepEqual({ lost, duplicated, undecryptable }, { lost: 0, duplicated: 0, undecryptable: 0 });
  assertLooped(world.payload, SAMPLE);
  assert.equal(world.payloadType, 33);
  // The sample is 44 KB a second: at its rate, two seconds are some 80 packets, not all 419.
  assert.ok(received > 40 && received < 200, `${received} packets`);
  assert.deepEqual(shown(service).output.drops, {});
});

scenario("a file with a bitrate, looped many times over, stays aligned and identical", async (world) => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-file-"));
  const path = join(folder, "short.ts");
  const short = SAMPLE.subarray(0, 188 * 40 + 77);
  writeFileSync(path, short);
  await world.start({ input: { kind: "file", path, loop: true, bitrate: 20_000_000 } });
  await world.until(() => world.payload.length > 188 * 40 * 6);
  assertLooped(world.payload, short);
  rmSync(folder, { recursive: true });
});

scenario("keys from the key server (claim 7)", async (world) => {
  await world.start({ keys: "key-server" });
  await world.until(() => world.receiver.statistics.received > 20);
  assert.equal(world.receiver.lastEpoch, 5);
  assert.ok(world.heard.some((message) => message.type === "epoch.taken" && message.epoch === 5));
});

scenario(
  "without an acknowledgement nothing is sent; status says why; with it the file begins at its start",
  async (world) => {
    world.says = () => undefined;
    const service = await world.start({});
    await world.until(() => world.heard.some((message) => message.type === "epoch.proposal"));
    assert.equal(shown(service).output.packets, 0);
    assert.equal(shown(service).epoch, undefined);
    world.says = (message) => world.takes(message);
    await world.until(() => world.receiver.statistics.received > 5);
    assertLooped(world.payload, SAMPLE);
  },
);

scenario("standard input: every octet arrives, then the headend has finished", async (world) => {
  await world.start({ input: { kind: "stdin", bitrate: 40_000_000 } });
  for (let at = 0; at < 100_000; at += 7001) world.stdin.write(SAMPLE.slice(at, Math.min(at + 7001, 100_000)));
  world.stdin.end();
  await world.until(() => world.finished);
  const whole = 100_000 - (100_000 % 188);
  await world.until(() => world.payload.length >= whole);
  assert.deepEqual(Uint8Array.from(world.payload), SAMPLE.slice(0, whole));
});

scenario("datagrams of any size from UDP go one to one, as payload type 96", async (world) => {
  const probe = await world.datagrams.open({ address: LOOPBACK, port: 0 }, { datagram: () => {}, failed: assert.fail });
  const port = probe.port;
  probe.close();
  await world.start({
    content: "datagram",
    largest: 9000,
    input: { kind: "udp", address: LOOPBACK, port, silence: 5 },
  });
  await world.until(() => world.heard.some((message) => message.type === "stream.report"));
  const out = await world.datagrams.open({ address: LOOPBACK, port: 0 }, { datagram: () => {}, failed: assert.fail });
  const sizes = [1, 2, 4, 187, 188, 1316, 1440, 1441, 9000];
  const sent = sizes.map((size) => Uint8Array.from({ length: size }, (_, i) => (i * size) & 255));
  for (const payload of sent) out.send(payload, LOOPBACK, port);
  await world.until(() => world.receiver.statistics.received === sizes.length);
  assert.deepEqual(
    world.payload,
    sent.flatMap((payload) => [...payload]),
  );
  assert.equal(world.payloadType, 96);
  out.close();
});

scenario(
  "a file that is no transport stream, and one without PCRs, are named faults, and the process lives",
  async (world) => {
    const folder = mkdtempSync(join(tmpdir(), "sealcast-bad-"));
    const path = join(folder, "bad.ts");
    writeFileSync(path, new Uint8Array(TS_PAYLOAD * 10));
    const service = await world.start({ input: { kind: "file", path, loop: true } });
    await world.until(() => shown(service).source.fault !== undefined);
    assert.match(shown(service).source.fault ?? "", /^source\.not-ts: .*bad\.ts is no transport stream/);
    const silent = new Uint8Array(TS_PAYLOAD * 10);
    for (let at = 0; at < silent.length; at += 188) silent.set([0x47, 1, 0, 0x10], at);
    writeFileSync(path, silent);
    await world.until(() => (shown(service).source.fault ?? "").startsWith("source.no-pcr"));
    rmSync(folder, { recursive: true });
  },
);

test("a file that is not there stops the start with its name", async () => {
  const world = new World();
  await assert.rejects(world.start({ input: { kind: "file", path: "/nonexistent/x.ts", loop: true } }), {
    code: "source.file",
    message: /\/nonexistent\/x\.ts/,
  });
  await world.stop();
});

scenario(
  "an output that fails for ever: an alarm in status and for control, and opened anew until it works",
  async (world) => {
    const service = await world.start({});
    const alarms = (): readonly string[] | undefined => world.presences.at(-1)?.alarms;
    await world.until(() => world.receiver.statistics.received > 5 && alarms()?.length === 0);
    world.headendSockets.killAll();
    await world.until(() => alarms()?.includes("news: output-failing (datagram.send)") === true);
    const { raised, output } = shown(service);
    assert.deepEqual([raised, output.fault], [["output-failing"], "datagram.send: cannot send (ENODEV)"]);
    const before = world.receiver.statistics.received;
    await world.until(() => world.receiver.statistics.received > before + 20);
    await world.until(() => alarms()?.length === 0);
    assert.deepEqual([shown(service).raised, shown(service).output.fault], [[], undefined]);
  },
);

scenario("an input that has fallen silent: an alarm, and opened anew until packets come", async (world) => {
  const out = await world.datagrams.open({ address: LOOPBACK, port: 0 }, { datagram: () => {}, failed: assert.fail });
  const port = out.port;
  out.close();
  const service = await world.start({ input: { kind: "udp", address: LOOPBACK, port, silence: 1 } });
  const alarms = (): readonly string[] | undefined => world.presences.at(-1)?.alarms;
  await world.until(() => world.heard.some((message) => message.type === "stream.report"));
  const encoder = await world.datagrams.open(
    { address: LOOPBACK, port: 0 },
    { datagram: () => {}, failed: assert.fail },
  );
  const timer = setInterval(() => encoder.send(SAMPLE.subarray(0, TS_PAYLOAD), LOOPBACK, port), 10);
  try {
    await world.until(() => world.receiver.statistics.received > 5 && alarms()?.length === 0);
    world.headendSockets.killAll();
    await world.until(() => alarms()?.includes("news: input-silent") === true);
    assert.deepEqual(shown(service).raised.includes("input-silent"), true);
    const before = world.receiver.statistics.received;
    await world.until(() => world.receiver.statistics.received > before + 20 && alarms()?.length === 0);
  } finally {
    clearInterval(timer);
    encoder.close();
  }
});

scenario(
  "a signed channel: manifests cover every packet, and who knows none takes the stream as ever",
  async (world) => {
    const service = await world.start({ sign: true, signWindow: 20, interval: 0.5, lead: 0.2 });
    // A gate knows three epochs at a time: what comes of a fourth, before we go on here, is not looked at.
    let length = 0;
    await world.until(() => {
      length = world.onWire.length;
      return world.receiver.lastEpoch === 3 && world.receiver.statistics.received > 30;
    });
    const { lost, duplicated, undecryptable } = world.receiver.statistics;
    assert.deepEqual({ lost, duplicated, undecryptable }, { lost: 0, duplicated: 0, undecryptable: 0 });
    assertLooped(world.payload, SAMPLE);
    const proposals = world.heard.flatMap((message) =>
      message.type === "epoch.proposal" && message.key.epoch <= 3 ? [message] : [],
    );
    const signer = proposals[0]?.parameters.stream.signer;
    assert.ok(signer);
    const passed: Uint8Array[] = [];
    const gate = new SourceGate({
      primitives,
      stream: { channel: "news", ssrc: 7 },
      signer,
      uncovered: "drop",
      patience: milliseconds(100),
      most: 64,
      pass: (_, packet) => passed.push(packet),
    });
    for (const { key } of proposals) gate.install(key.epoch, key.masterKey, key.masterSalt);
    const wire = world.onWire.slice(0, length);
    const stream = wire.filter((datagram) => !isManifest(datagram));
    for (const datagram of wire) gate.datagram(instant(0), datagram);
    assert.deepEqual(passed, stream);
    assert.ok(stream.length < wire.length);
    const manifests = (service.status() as { channels: { output: { manifests: number } }[] }).channels[0]?.output
      .manifests;
    assert.ok(manifests !== undefined && manifests > 10, String(manifests));
    assert.deepEqual(world.receiver.snapshot().drops, { "srtp.ssrc": world.onWire.filter(isManifest).length });
  },
);
