// Claim 6: one server with the means of both does the same as the two apart. One scenario, real processes, real brokers.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { toHex } from "../../core/base/bytes.ts";
import type { ChannelParameters, Message, MessageOf } from "../../core/control/messages.ts";
import type { Peer } from "../../core/control/participant.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { freeTcpPort } from "../../hal/free-port.testkit.ts";
import { createIdentity } from "../../hal/identity/file.ts";
import { generateIdentity, type Identity } from "../../hal/identity/identity.ts";
import { MosquittoUnderTest, ParticipantUnderTest, primitives, ServerUnderTest } from "./servers.testkit.ts";

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});
const freshFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-control-"));
  folders.push(folder);
  return folder;
};

/** The servers of one arrangement. `operator` has the command line, `store` of receptions and usage. */
interface Arrangement {
  readonly folder: string;
  readonly port: number;
  readonly keyServer: Identity;
  readonly operator: ServerUnderTest;
  start(): Promise<void>;
  /** The patent's numbers that the servers sent or received. */
  numbers(): string[];
  stop(): Promise<void>;
}

const identityFile = (folder: string, id: string): string => join(folder, `${id}.json`);

function makeIdentity(folder: string, role: Identity["role"], id: string): Identity {
  const identity = generateIdentity(role, id, primitives, systemEntropy);
  createIdentity(identityFile(folder, id), identity);
  return identity;
}

interface Counted {
  readonly messages: { readonly sent: object; readonly received: object };
}

const numbersOf = (...counted: Counted[]): string[] => {
  const all = counted.flatMap(({ messages }) => [...Object.keys(messages.sent), ...Object.keys(messages.received)]);
  return [...new Set(all)].sort();
};

async function together(): Promise<Arrangement> {
  const folder = freshFolder();
  const port = await freeTcpPort();
  const keyServer = makeIdentity(folder, "keyserver", "ks");
  makeIdentity(folder, "reception", "rs");
  const control = new ServerUnderTest("control", folder, {
    broker: { listeners: [{ port }] },
    keyServer: { id: "ks", identity: identityFile(folder, "ks") },
    reception: { id: "rs", identity: identityFile(folder, "rs") },
    store: { path: join(folder, "control.db") },
  });
  return {
    folder,
    port,
    keyServer,
    operator: control,
    start: () => control.start(),
    numbers() {
      const status = control.json("status", "--json") as { keyServer: Counted; reception: Counted };
      return numbersOf(status.keyServer, status.reception);
    },
    async stop() {
      assert.equal(await control.stop(), 0);
    },
  };
}

async function apart(): Promise<Arrangement> {
  const folder = freshFolder();
  const port = await freeTcpPort();
  const keyServer = makeIdentity(folder, "keyserver", "ks");
  const reception = makeIdentity(folder, "reception", "rs");
  const headend = makeIdentity(folder, "headend", "he");
  const broker = { url: `mqtt://127.0.0.1:${port}` };
  const key = ({ id, x25519 }: Identity) => ({ id, publicKey: toHex(x25519.publicKey) });
  const keys = new ServerUnderTest("keyserver", folder, {
    id: "ks",
    broker,
    identity: identityFile(folder, "ks"),
    store: { path: join(folder, "keys.db") },
    reception: key(reception),
    headends: [key(headend)],
  });
  const receptions = new ServerUnderTest("reception", folder, {
    id: "rs",
    broker: { ...broker, protocolVersion: 5 },
    identity: identityFile(folder, "rs"),
    store: { path: join(folder, "receptions.db") },
    keyServers: [key(keyServer)],
  });
  const mosquitto = new MosquittoUnderTest();
  return {
    folder,
    port,
    keyServer,
    operator: receptions,
    async start() {
      const ids = ["ks", "rs", "he", "box1", "box2"];
      await mosquitto.start(
        folder,
        port,
        ids.map((id) => identityFile(folder, id)),
      );
      await Promise.all([keys.start(), receptions.start()]);
    },
    numbers: () => numbersOf(keys.json("status", "--json") as Counted, receptions.json("status", "--json") as Counted),
    async stop() {
      assert.deepEqual(await Promise.all([keys.stop(), receptions.stop()]), [0, 0]);
      await mosquitto.stop();
    },
  };
}

function register({ operator, folder }: Arrangement): void {
  assert.equal(operator.run("init").code, 0);
  for (const id of ["one", "two"]) operator.json("channel", "add", id);
  operator.json("package", "add", "base", "one", "two");
  operator.json("subscriber", "add", "payer");
  operator.json("subscriber", "add", "other");
  operator.json("subscription", "add", "payer", "base");
  operator.json("device", "add", "box1", "--subscriber", "payer", "--identity-out", identityFile(folder, "box1"));
  operator.json("device", "add", "box2", "--subscriber", "other", "--identity-out", identityFile(folder, "box2"));
  const how = existsSync(identityFile(folder, "he")) ? "--identity" : "--identity-out";
  operator.json("service", "add", "he", "--role", "headend", how, identityFile(folder, "he"));
}

const id = (): Uint8Array => new Uint8Array(randomBytes(16));

const parameters = (channel: string): ChannelParameters => ({
  channel,
  group: 0xefff4d01,
  port: 5004,
  stream: { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 7, payloadType: 33 },
  interval: 60_000,
  overlap: 2_000,
  window: 1_000,
});

const proposal = (epoch: number, as = id()): Message => ({
  type: "epoch.proposal",
  id: as,
  parameters: parameters("one"),
  key: { epoch, masterKey: new Uint8Array(16).fill(epoch), masterSalt: new Uint8Array(12).fill(epoch) },
  switchIn: epoch === 1 ? 0 : 30_000,
});

const keyRequest = (channel: string, reception: Uint8Array, reason: "start" | "rekey"): Message => ({
  type: "key.request",
  id: id(),
  channel,
  reception,
  reason,
});

const epochsOf = (message: Message): unknown =>
  message.type === "key.grant" ? message.epochs.map(({ epoch }) => epoch) : message;

/** All three flows of the patent, a refusal, a revocation, and a key server that makes the keys. */
async function scenario(arrangement: Arrangement): Promise<object> {
  register(arrangement);
  await arrangement.start();
  const { keyServer, folder, port, operator } = arrangement;
  const server: Peer = { role: "keyserver", id: "ks", publicKey: keyServer.x25519.publicKey };
  const noticeKey = keyServer.ed25519?.publicKey ?? new Uint8Array();
  const [he, box1, box2] = ["he", "box1", "box2"].map(
    (who) => new ParticipantUnderTest(identityFile(folder, who), port, server, noticeKey),
  ) as [ParticipantUnderTest, ParticipantUnderTest, ParticipantUnderTest];
  const heard: unknown[] = [];
  try {
    await box1.watch("one");
    heard.push((await he.ask(proposal(1))).type);
    const first = id();
    heard.push(epochsOf(await box1.ask(keyRequest("one", first, "start"))));
    const denied = (await box2.ask(keyRequest("one", id(), "start"))) as MessageOf<"key.denied">;
    heard.push(denied.reason);
    heard.push((await he.ask(proposal(2))).type, (await box1.notice("one", 2)).window);
    heard.push(epochsOf(await box1.ask(keyRequest("one", first, "rekey"))));
    const stop = (): Message => ({ type: "stop", id: id(), channel: "one", reception: first, cause: "stopped" });
    heard.push((await box1.ask(stop())).type, (await box1.ask(stop())).type);
    heard.push(((await box1.ask(keyRequest("one", first, "rekey"))) as MessageOf<"key.denied">).reason);
    heard.push(...(await keysMadeByTheServer(he, box1)));
    heard.push(...(await revocation(arrangement, he, box1)));
    return { heard, numbers: arrangement.numbers(), ...records(operator) };
  } finally {
    await Promise.all([he.close(), box1.close(), box2.close()]);
    await arrangement.stop();
  }
}

/** Claim 7. */
async function keysMadeByTheServer(he: ParticipantUnderTest, box: ParticipantUnderTest): Promise<unknown[]> {
  await box.watch("two");
  const wanted: Message = { type: "epoch.wanted", id: id(), parameters: parameters("two") };
  const offer = (await he.ask(wanted)) as MessageOf<"epoch.offer">;
  he.tell({ type: "epoch.taken", id: offer.id, channel: "two", epoch: offer.key.epoch });
  const notice = await box.notice("two", offer.key.epoch);
  const grant = (await box.ask(keyRequest("two", id(), "start"))) as MessageOf<"key.grant">;
  assert.deepEqual(grant.epochs, [offer.key], "the set-top has the key that the headend has");
  return [notice.epoch, epochsOf(grant)];
}

async function revocation(
  { operator }: Arrangement,
  he: ParticipantUnderTest,
  box: ParticipantUnderTest,
): Promise<unknown[]> {
  const again = id();
  await box.ask(keyRequest("one", again, "start"));
  const revoked = operator.json("device", "revoke", "box1");
  const demand = await he.hears("epoch.demand");
  const accepted = await he.ask(proposal(3, demand.id));
  await box.notice("one", 3);
  const denied = (await box.ask(keyRequest("one", again, "rekey"))) as MessageOf<"key.denied">;
  return [revoked, accepted.type, denied.reason];
}

interface Line {
  readonly [name: string]: string | number;
}

/** What is on record, without what differs from run to run. */
function records(operator: ServerUnderTest): object {
  const usage = operator.json("usage", "--json") as Line[];
  const denials = operator.json("denials", "--json") as Line[];
  return {
    live: operator.json("receptions", "--json"),
    usage: usage
      .map(({ device, subscriber, channel, cause, firstEpoch, lastEpoch }) =>
        [device, subscriber, channel, cause, firstEpoch, lastEpoch].join(" "),
      )
      .sort(),
    denials: denials.map(({ device, channel, reason }) => `${device} ${channel} ${reason}`),
  };
}

const EXPECTED = {
  heard: [
    "epoch.accepted",
    [1],
    "not-entitled",
    "epoch.accepted",
    1_000,
    [1, 2],
    "stop.acknowledged",
    "stop.acknowledged",
    "reception.ended",
    1,
    [1],
    { revoked: "box1", rekeyed: ["one", "two"] },
    "epoch.accepted",
    "device.revoked",
  ],
  numbers: ["73", "74", "75", "76", "83", "84", "85", "86", "91", "92", "93", "94", "95"],
  live: [],
  usage: ["box1 payer one revoked 2 2", "box1 payer one stopped 1 2", "box1 payer two revoked 1 1"],
  denials: ["box2 one not-entitled", "box1 one reception.ended", "box1 one device.revoked"],
};

test("control: the patent's flows, a refusal and a revocation over the embedded broker", async () => {
  assert.deepEqual(await scenario(await together()), EXPECTED);
});

test("keyserver and reception over Mosquitto leave the same records as control", {
  skip: existsSync(MosquittoUnderTest.path) ? false : "mosquitto is not installed",
}, async () => {
  assert.deepEqual(await scenario(await apart()), EXPECTED);
});
