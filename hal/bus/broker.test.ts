// The embedded broker against clients that misbehave.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { type EventEmitter, once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { seedOf, withSeed } from "../../core/base/fuzz.testkit.ts";
import type { ClientRefusal } from "../../core/control/refused-clients.ts";
import { HalError } from "../../core/ports/errors.ts";
import { systemClock } from "../clock/system.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { BROKER_LIMITS, Broker, type BrokerOptions } from "./broker.ts";
import { within } from "./contract.testkit.ts";
import { MqttBuses, type MqttOptions } from "./mqtt.ts";

const HOST = "127.0.0.1";
/** In ms: for what never ends. A busy machine takes its time. */
const LIMIT = 60_000;
/** In ms: before either end gives up a handshake by itself. */
const SOONER = BROKER_LIMITS.connectTimeout / 2;
const FILTERS = BROKER_LIMITS.filters;

const folder = mkdtempSync(join(tmpdir(), "sealcast-tls-"));
const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
const made = spawnSync("openssl", [
  ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
  ...["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", keyFile, "-out", certFile],
]);
after(() => rmSync(folder, { recursive: true }));
const ROLES = new Map([
  ["box-1", "settop"],
  ["box-2", "settop"],
  ["keys", "keyserver"],
] as const);

const authenticate: BrokerOptions["authenticate"] = (id, password) => {
  if (id === "old") return "revoked";
  const role = ROLES.get(id as "keys");
  return role === undefined || Buffer.from(password).toString() === "right" ? role : "wrong-password";
};

function scenario(name: string, options: Partial<BrokerOptions>, run: (broker: Broker, port: number) => Promise<void>) {
  test(name, async () => {
    const broker = await Broker.start({ listeners: [{ host: HOST, port: 0 }], authenticate, ...options });
    try {
      await within(LIMIT, run(broker, broker.ports[0] ?? 0));
    } finally {
      await broker.close();
    }
  });
}

async function raw(port: number): Promise<Socket> {
  const socket = connect(port, HOST);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

const client = (port: number, id: string, options: IClientOptions = {}): MqttClient =>
  mqtt.connect({ host: HOST, port, clientId: id, username: id, password: "right", reconnectPeriod: 0, ...options });

/** Closed in whatever way: a reset is one. */
const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once("close", () => resolve()));

/** The package's clients are emitters, but not in the eyes of `once`. */
const happens = (emitter: MqttClient, name: "connect" | "close" | "error") =>
  once(emitter as object as EventEmitter, name);

/** What the driver says when it cannot connect. */
async function downError(options: MqttOptions, clientId: string): Promise<HalError> {
  const buses = new MqttBuses(options, systemClock, new SeededEntropy(1));
  let bus: ReturnType<MqttBuses["connect"]> | undefined;
  const error = await new Promise<HalError>((resolve, reject) => {
    const listener = { message: () => {}, up: () => reject(new Error("was let in")), down: resolve };
    bus = buses.connect({ clientId, filters: [] }, listener);
  });
  await bus?.close();
  return error;
}

scenario(
  "broker.oversized: a client that announces 256 MB is cut off before it has sent them",
  {},
  async (broker, port) => {
    const socket = await raw(port);
    socket.write(Uint8Array.of(0x10, 0xff, 0xff, 0xff, 0x7f));
    await closed(socket);
    assert.deepEqual(broker.drops.snapshot(), { "broker.oversized": 1 });
  },
);

scenario(
  "broker.full: one connection more than allowed is closed at once",
  { limits: { connections: 2 } },
  async (broker, port) => {
    await raw(port);
    await raw(port);
    const third = connect(port, HOST);
    third.on("error", () => {});
    await closed(third);
    assert.deepEqual(broker.drops.snapshot(), { "broker.full": 1 });
  },
);

scenario("a connection that never says who it is is closed", { limits: { connectTimeout: 50 } }, async (_, port) => {
  await closed(await raw(port));
});

scenario("octets that are no MQTT close the connection and nothing else", {}, async (broker, port) => {
  const seed = seedOf(8);
  const entropy = new SeededEntropy(seed);
  await withSeed(seed, async () => {
    for (let i = 0; i < 50; i++) {
      const socket = await raw(port);
      socket.end(entropy.bytes(64));
      socket.resume();
      await closed(socket);
    }
  });
  const keys = client(port, "keys");
  await happens(keys, "connect");
  assert.equal(broker.clients, 1);
  await keys.endAsync(true);
});

scenario("broker.client-id: the client identifier must be the user name", {}, async (broker, port) => {
  const thief = client(port, "box-1", { username: "box-2" });
  const [error] = await happens(thief, "error");
  assert.equal(error.code, 2);
  assert.deepEqual(broker.drops.snapshot(), { "broker.client-id": 1 });
});

/** A scenario that is given what the broker says of those it turned away, and the next of it. */
function refusing(
  name: string,
  options: Partial<BrokerOptions>,
  run: (broker: Broker, next: () => Promise<ClientRefusal>) => Promise<void>,
) {
  const told: ClientRefusal[] = [];
  let wake = (): void => {};
  const refused = (refusal: ClientRefusal): void => {
    told.push(refusal);
    wake();
  };
  const next = async (): Promise<ClientRefusal> => {
    const first = told.shift();
    if (first !== undefined) return first;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
    return next();
  };
  scenario(name, { ...options, refused }, (broker) => run(broker, next));
}

refusing(
  "broker.credentials: unknown id, wrong password and revoked service are one answer to the client, three to the operator",
  {},
  async (broker, next) => {
    const url = `mqtt://${HOST}:${broker.ports[0]}`;
    for (const [id, reason] of [
      ["nobody", "unknown-id"],
      ["box-1", "wrong-password"],
      ["old", "revoked"],
    ] as const) {
      const error = await downError({ url, password: "wrong" }, id);
      assert.deepEqual(
        [error.code, error.message],
        ["bus.credentials", "refused by the broker: unknown id or password"],
      );
      assert.deepEqual(await next(), { reason, id, address: HOST });
    }
    assert.equal(broker.drops.of("broker.credentials"), 3);
  },
);

refusing("broker.version: MQTT 5 is told at both ends", {}, async (broker, next) => {
  const url = `mqtt://${HOST}:${broker.ports[0]}`;
  const error = await downError({ url, password: "right", version: 5 }, "box-1");
  assert.equal(error.code, "bus.version");
  assert.match(`${error.message} ${error.needs}`, /version of MQTT.*broker\.protocolVersion/);
  const detail = "MQTT 5, this broker speaks 3.1.1";
  assert.deepEqual(await next(), { reason: "version", id: "box-1", address: HOST, detail });
  assert.deepEqual(broker.drops.snapshot(), { "broker.version": 1 });
});

refusing(
  "what a client may not use is told with its topic, who is not its user name with that",
  {},
  async (broker, next) => {
    const port = broker.ports[0] ?? 0;
    const box = client(port, "box-1");
    await happens(box, "connect");
    await assert.rejects(box.subscribeAsync("#"));
    assert.deepEqual(await next(), { reason: "subscribe", id: "box-1", address: HOST, detail: "#" });
    box.publish("elsewhere", "x");
    assert.deepEqual(await next(), { reason: "publish", id: "box-1", address: HOST, detail: "elsewhere" });
    client(port, "box-1", { username: "box-2" }).on("error", () => {});
    assert.deepEqual(await next(), { reason: "client-id", id: "box-1", address: HOST, detail: "user name box-2" });
  },
);

refusing(
  "broker.no-mqtt: TLS to a listener without is told at both ends, a connection that says nothing is not",
  {},
  async (broker, next) => {
    const port = broker.ports[0] ?? 0;
    const silent = await raw(port);
    silent.destroy();
    const error = await downError({ url: `mqtts://${HOST}:${port}`, password: "right" }, "box-1");
    assert.equal(error.code, "bus.tls");
    const { reason, id, address } = await next();
    assert.deepEqual([reason, id, address], ["no-mqtt", undefined, HOST]);
    assert.deepEqual(broker.drops.snapshot(), { "broker.no-mqtt": 1 });
  },
);

scenario(
  "broker.publish: a foreign topic, or a retained message where none may be, ends the connection",
  {},
  async (broker, port) => {
    for (const [topic, retain] of [
      ["sealcast/1/keys/res/box-2", false],
      ["sealcast/1/keys/req/0/box-1", true],
      ["elsewhere", false],
    ] as const) {
      const box = client(port, "box-1");
      await happens(box, "connect");
      box.publish(topic, "x", { retain });
      await happens(box, "close");
    }
    assert.equal(broker.drops.of("broker.publish"), 3);
  },
);

scenario(
  "broker.subscribe: $share is refused to everybody, because it would be granted and stay silent",
  {},
  async (broker, port) => {
    const keys = client(port, "keys");
    await happens(keys, "connect");
    await assert.rejects(keys.subscribeAsync("$share/ks/sealcast/1/keys/req/#"));
    assert.equal(broker.drops.of("broker.subscribe"), 1);
    await keys.endAsync(true);
  },
);

scenario("a client that connects twice is the one that came last", {}, async (broker, port) => {
  const first = client(port, "box-1");
  await happens(first, "connect");
  const closed = happens(first, "close");
  const second = client(port, "box-1");
  await Promise.all([closed, happens(second, "connect")]);
  assert.equal(second.connected, true);
  assert.equal(broker.clients, 1);
  await second.endAsync(true);
});

scenario("no session outlives its connection, even if the client asks for one", {}, async (_, port) => {
  const first = client(port, "box-1", { clean: false });
  await happens(first, "connect");
  await first.subscribeAsync("sealcast/1/keys/res/box-1", { qos: 1 });
  await first.endAsync(true);
  const again = client(port, "box-1", { clean: false });
  const [connack] = await happens(again, "connect");
  assert.equal(connack.sessionPresent, false);
  await again.endAsync(true);
});

scenario(
  "broker.slow: what a client does not read is dropped, and others get theirs",
  { limits: { backlog: 64 * 1024 } },
  async (broker, port) => {
    const [slow, quick, keys] = [client(port, "box-1"), client(port, "box-2"), client(port, "keys")];
    await Promise.all([happens(slow, "connect"), happens(quick, "connect"), happens(keys, "connect")]);
    await Promise.all([slow, quick].map((box) => box.subscribeAsync("sealcast/1/notice/news/+")));
    slow.stream.unpipe();
    slow.stream.pause();
    const payload = Buffer.alloc(16 * 1024);
    let sent = 0;
    // Each is heard by the quick one before the next is sent, so a broker that waits for the slow one would stop here.
    while (broker.drops.of("broker.slow") === 0 && sent < 5000) {
      const heard = new Promise((resolve) => quick.once("message", resolve));
      keys.publish("sealcast/1/notice/news/0", payload);
      await heard;
      sent += 1;
    }
    assert.ok(broker.drops.of("broker.slow") > 0, `${sent} messages sent`);
    assert.equal(broker.clients, 3, "dropped for, not cut off");
    for (const box of [slow, quick, keys]) box.end(true);
  },
);

scenario("a client that asks and never reads is cut off", { limits: { backlog: 1024 } }, async (broker, port) => {
  const socket = await raw(port);
  // CONNECT as box-1 with the right password, then PINGREQ without end (MQTT 3.1.1 sections 3.1 and 3.12).
  const connectPacket = [0x10, 31, 0, 4, ...Buffer.from("MQTT"), 4, 0xc2, 0, 60];
  for (const text of ["box-1", "box-1", "right"]) connectPacket.push(0, text.length, ...Buffer.from(text));
  socket.write(Uint8Array.from(connectPacket));
  await once(socket, "data");
  socket.pause();
  const pings = Buffer.alloc(64 * 1024, Uint8Array.of(0xc0, 0));
  const pump = (): void => {
    if (!socket.destroyed) socket.write(pings, pump);
  };
  pump();
  await closed(socket);
  assert.ok(broker.drops.of("broker.slow") > 0);
});

scenario(
  "broker.subscribe: a client's filters are few and short, and one that it gives back makes room",
  {},
  async (broker, port) => {
    const box = client(port, "box-1");
    await happens(box, "connect");
    const notice = (n: number) => `sealcast/1/notice/channel-${n}/0`;
    const asked = async (filter: string) => (await box.subscribeAsync(filter).catch(() => undefined)) !== undefined;
    for (let n = 0; n < FILTERS; n++) assert.ok(await asked(notice(n)), `${n}`);
    assert.equal(await asked(notice(0)), true, "one that it has is not counted twice");
    assert.equal(await asked(notice(FILTERS)), false);
    await box.unsubscribeAsync(notice(0));
    assert.equal(await asked(notice(FILTERS)), true);
    await box.unsubscribeAsync(notice(1));
    assert.equal(await asked(`sealcast/1/notice/${"x".repeat(300)}/0`), false);
    assert.deepEqual(broker.drops.snapshot(), { "broker.subscribe": 2 });
    box.end(true);
  },
);

scenario(
  "broker.publish: what the broker keeps for good is small, however large a message may be",
  {},
  async (broker, port) => {
    const box = client(port, "box-1");
    await happens(box, "connect");
    const status = "sealcast/1/status/settop/box-1";
    await box.publishAsync(status, Buffer.alloc(1024), { retain: true, qos: 1 });
    const gone = happens(box, "close");
    box.publish(status, Buffer.alloc(1025), { retain: true });
    await gone;
    assert.deepEqual(broker.drops.snapshot(), { "broker.publish": 1 });
  },
);

scenario("a last will on somebody else's topic is not published", {}, async (broker, port) => {
  const watch = client(port, "keys");
  await watch.subscribeAsync("sealcast/1/status/#");
  const heard: string[] = [];
  watch.on("message", (topic) => heard.push(topic));
  const ends = happens(watch, "close");
  for (const topic of ["sealcast/1/status/settop/box-2", "sealcast/1/status/settop/box-1"]) {
    const will = { topic, payload: Buffer.from("lost"), qos: 0, retain: true } as const;
    const box = client(port, "box-1", { will });
    await happens(box, "connect");
    const gone = happens(box, "close");
    box.stream.destroy();
    await gone;
    if (topic.endsWith("box-1")) while (heard.length === 0) await once(watch as object as EventEmitter, "message");
  }
  watch.end(true);
  await ends;
  assert.deepEqual(heard, ["sealcast/1/status/settop/box-1"]);
  assert.equal(broker.drops.snapshot()["broker.publish"], 1);
});

scenario(
  "broker.unavailable: nobody is let in while the passwords cannot be read, and nothing ends",
  {
    authenticate: async () => {
      throw new HalError("store.io", "a bad sector");
    },
  },
  async (broker, port) => {
    const [error] = await happens(client(port, "box-1"), "error");
    assert.equal((error as { code?: unknown }).code, 3);
    assert.deepEqual(broker.drops.snapshot(), { "broker.unavailable": 1 });
  },
);

scenario("a client that has lost its right is cut off", {}, async (broker, port) => {
  const box = client(port, "box-1");
  await happens(box, "connect");
  const gone = happens(box, "close");
  broker.expel("box-1");
  broker.expel("box-2");
  await gone;
});

test("a port in use is told by name", async () => {
  const broker = await Broker.start({ listeners: [{ host: HOST, port: 0 }], authenticate });
  try {
    const listeners = [{ host: HOST, port: broker.ports[0] ?? 0 }];
    await assert.rejects(Broker.start({ listeners, authenticate }), { code: "broker.in-use" });
  } finally {
    await broker.close();
  }
});

test("an address that is not this machine's, and a certificate that is none, are told by name", async () => {
  await assert.rejects(Broker.start({ listeners: [{ host: "192.0.2.1", port: 0 }], authenticate }), {
    code: "broker.address",
  });
  const tls = { cert: "no certificate", key: "no key" };
  await assert.rejects(Broker.start({ listeners: [{ host: HOST, port: 0, tls }], authenticate }), {
    code: "broker.tls",
  });
});

test("closing towards a broker that never answers takes at most half a second", async () => {
  const silent = createServer();
  silent.listen(0, HOST);
  await once(silent, "listening");
  const port = (silent.address() as AddressInfo).port;
  const buses = new MqttBuses({ url: `mqtt://${HOST}:${port}` }, systemClock, new SeededEntropy(1));
  const listener = { message: () => {}, up: () => {}, down: () => {} };
  const bus = buses.connect({ clientId: "box-1", filters: [] }, listener);
  const [socket] = (await once(silent, "connection")) as [Socket];
  socket.resume();
  const gone = closed(socket);
  await within(SOONER, bus.close());
  await within(SOONER, gone);
  silent.close();
});

test("a broker closes although somebody is still shaking hands", {
  skip: made.status !== 0 && "openssl is not installed",
}, async () => {
  const tls = { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") };
  const broker = await Broker.start({ listeners: [{ host: HOST, port: 0, tls }], authenticate });
  const socket = await raw(broker.ports[0] ?? 0);
  await within(SOONER, Promise.all([broker.close(), closed(socket)]));
});

test("no broker at all is bus.unreachable, and says where", async () => {
  const error = await within(LIMIT, downError({ url: `mqtt://${HOST}:1` }, "box-1"));
  assert.equal(error.code, "bus.unreachable");
  assert.match(error.message, /127\.0\.0\.1:1/);
});

test("over TLS a client gets in when it trusts the broker's certificate, and says so when it does not", {
  skip: made.status !== 0 && "openssl is not installed",
}, async () => {
  const [key, cert] = [readFileSync(keyFile, "utf8"), readFileSync(certFile, "utf8")];
  const broker = await Broker.start({ listeners: [{ host: HOST, port: 0, tls: { key, cert } }], authenticate });
  try {
    const options = { url: `mqtts://${HOST}:${broker.ports[0]}`, password: "right" };
    const buses = new MqttBuses({ ...options, tls: { ca: cert } }, systemClock, new SeededEntropy(1));
    const up = new Promise<void>((resolve, reject) => {
      const bus = buses.connect(
        { clientId: "box-1", filters: [] },
        { message: () => {}, up: () => resolve(bus.close()), down: reject },
      );
    });
    await within(LIMIT, up);
    const error = await within(LIMIT, downError(options, "box-1"));
    assert.equal(error.code, "bus.tls");
    assert.match(error.message, /certificate/);
  } finally {
    await broker.close();
  }
});

const needsOpenssl = made.status !== 0 && "openssl is not installed";
const tlsFiles = () => ({ key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") });

test("broker.tls: who shows no certificate where one is asked for is told so, and the operator too", {
  skip: needsOpenssl,
}, async () => {
  const { key, cert } = tlsFiles();
  const told: ClientRefusal[] = [];
  const tls = { key, cert, ca: cert };
  const refused = (refusal: ClientRefusal): void => void told.push(refusal);
  const broker = await Broker.start({ listeners: [{ host: HOST, port: 0, tls }], authenticate, refused });
  try {
    const url = `mqtts://${HOST}:${broker.ports[0]}`;
    const error = await within(LIMIT, downError({ url, password: "right", tls: { ca: cert } }, "box-1"));
    assert.equal(error.code, "bus.certificate");
    assert.match(error.message, /^refused by the broker: TLS alert \(.*certificate required\)$/);
    assert.deepEqual(
      told.map(({ reason, address, detail }) => [reason, address, detail]),
      [["tls", HOST, "peer did not return a certificate"]],
    );
    assert.deepEqual(broker.drops.snapshot(), { "broker.tls": 1 });
  } finally {
    await broker.close();
  }
});
