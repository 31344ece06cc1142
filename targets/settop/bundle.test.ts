// The bundle as a process, on the kernel's loopback: real sockets, a real broker, a key server that does as it is told.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { sameBytes, toHex } from "../../core/base/bytes.ts";
import { address } from "../../core/base/ipv4.ts";
import { Endpoint } from "../../core/control/endpoint.ts";
import { Mailbox, type Received } from "../../core/control/mailbox.ts";
import type { Message, MessageOf } from "../../core/control/messages.ts";
import type { DatagramSocket } from "../../core/ports/datagrams.ts";
import { MP2T, RTP_HEADER, writeRtpHeader } from "../../core/stream/rtp.ts";
import { StreamSender } from "../../core/stream/sender.ts";
import { Broker } from "../../hal/bus/broker.ts";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { NodeDatagrams } from "../../hal/datagram/node.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { createIdentity } from "../../hal/identity/file.ts";
import { generateIdentity, peerOf } from "../../hal/identity/identity.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { ask } from "../shared/admin.ts";
import { endedBy } from "../shared/processor-wait.testkit.ts";
import { concatenated } from "./scripted.testkit.ts";

const BUNDLE = "dist/settop.cjs";
const LOOPBACK = address("127.0.0.1");
const GROUP = "239.255.77.9";
const PORT = 20_000 + (process.pid % 20_000);
const CHANGES = 22;
const primitives = new NodePrimitives();
const scratch = mkdtempSync(join(tmpdir(), "st-bundle-"));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true });
});

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const limit = performance.now() + 10_000;
  while (performance.now() < limit) {
    if (await condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail(`${what}: did not come within 10 s`);
}

class Servers {
  readonly keys = generateIdentity("keyserver", "keys", primitives, systemEntropy);
  readonly box = generateIdentity("settop", "box-1", primitives, systemEntropy);
  readonly stops: MessageOf<"stop">[] = [];
  readonly input: Uint8Array[] = [];
  readonly sender = new StreamSender({
    ciphers: nodeCiphers,
    suite: "AEAD_AES_128_GCM",
    mkiLength: 4,
    ssrc: 9,
    firstIndex: 65_500,
  });
  newest = 1;
  #endpoint: Endpoint | undefined;
  broker: Broker | undefined;
  #socket: DatagramSocket | undefined;

  async start(): Promise<void> {
    const authenticate = (id: string) => (id === "box-1" ? ("settop" as const) : undefined);
    this.broker = await Broker.start({ listeners: [{ host: "127.0.0.1", port: 0 }], authenticate });
    const { id, x25519, ed25519 } = this.keys;
    const mailbox = new Mailbox(
      { role: "keyserver", id, keys: x25519, peers: [peerOf(this.box)] },
      primitives,
      systemEntropy,
    );
    const noticeKey = { sign: ed25519?.privateKey ?? new Uint8Array(32) };
    const ignore = (): void => {};
    this.#endpoint = new Endpoint(
      this.broker.local(),
      { mailbox, clock: systemClock, primitives, noticeKey },
      { message: (received) => this.#asked(received), notice: ignore, up: ignore, down: ignore, dropped: ignore },
    );
    this.#socket = await new NodeDatagrams().open(
      { address: LOOPBACK, port: 0, multicast: { interfaceAddress: LOOPBACK } },
      { datagram: ignore, failed: ignore },
    );
    this.#install(1);
    this.sender.switchTo(1);
  }

  async close(): Promise<void> {
    this.#socket?.close();
    await this.#endpoint?.close();
    await this.broker?.close();
  }

  /** 91 for the next epoch; the switch is for later. */
  announce(): void {
    this.newest++;
    this.#install(this.newest);
    this.#endpoint?.notice({ channel: "one", epoch: this.newest, issued: Date.now(), switchIn: 100, window: 50 });
  }

  send(): void {
    const packet = new Uint8Array(RTP_HEADER + 1316 + this.sender.trailerLength);
    writeRtpHeader(packet, MP2T, 0);
    packet.set(systemEntropy.bytes(1316), RTP_HEADER);
    this.input.push(packet.slice(RTP_HEADER, RTP_HEADER + 1316));
    this.#socket?.send(packet.subarray(0, this.sender.protect(packet, RTP_HEADER + 1316)), address(GROUP), PORT);
  }

  #key(epoch: number) {
    return { epoch, masterKey: new Uint8Array(16).fill(epoch), masterSalt: new Uint8Array(12).fill(epoch) };
  }

  #install(epoch: number): void {
    const { masterKey, masterSalt } = this.#key(epoch);
    this.sender.install(epoch, masterKey, masterSalt);
  }

  #asked({ message, request }: Received): void {
    if (request === undefined) return;
    if (message.type === "stop") this.stops.push(message);
    const answer = this.#answer(message);
    if (answer !== undefined) this.#endpoint?.answer(request, answer);
  }

  #answer(message: Message): Message | undefined {
    if (message.type === "stop") {
      const { id, channel, reception } = message;
      return { type: "stop.acknowledged", id, channel, reception };
    }
    if (message.type !== "key.request") return undefined;
    const current = this.sender.epoch ?? 1;
    const epochs = current === this.newest ? [current] : [current, this.newest];
    const { roc, seq } = this.sender.position();
    return {
      type: "key.grant",
      id: message.id,
      channel: message.channel,
      stream: { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: 9, payloadType: MP2T },
      epochs: epochs.map((epoch) => this.#key(epoch)),
      current,
      position: { roc, seq, age: 0 },
      refreshWithin: 60_000,
    };
  }
}

interface ChannelView {
  readonly viewing: { readonly membership: { readonly kind: string }; readonly epochs: readonly number[] };
  readonly received: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly undecryptable: number;
}

function configure(servers: Servers, more: object = {}): string {
  const identity = join(scratch, "identity.json");
  if (!existsSync(identity)) createIdentity(identity, servers.box);
  const path = join(scratch, "settop.json");
  const config = {
    id: "box-1",
    identity,
    journal: join(scratch, "receptions.json"),
    socket: join(scratch, "sock"),
    log: { level: "warn" },
    broker: { url: `mqtt://127.0.0.1:${servers.broker?.ports[0] ?? 0}` },
    keyServer: {
      id: "keys",
      publicKey: toHex(servers.keys.x25519.publicKey),
      noticeKey: toHex(servers.keys.ed25519?.publicKey ?? new Uint8Array(0)),
    },
    interfaceAddress: "127.0.0.1",
    channels: [{ id: "one", group: GROUP, port: PORT }],
    tune: ["one"],
    output: { form: "file", path: join(scratch, "out.ts") },
    ...more,
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

function run(
  config: string,
  env: NodeJS.ProcessEnv = process.env,
): { readonly child: ChildProcess; readonly ended: Promise<number | null> } {
  const child = spawn(process.execPath, [BUNDLE, "--config", config], { stdio: ["ignore", "inherit", "inherit"], env });
  children.push(child);
  return { child, ended: new Promise((resolve) => child.once("exit", resolve)) };
}

async function channel(): Promise<ChannelView | undefined> {
  const got = await ask(join(scratch, "sock"), "/status");
  return (got?.body as { channels?: ChannelView[] } | undefined)?.channels?.[0];
}

const skip = existsSync(BUNDLE) ? false : `${BUNDLE} has not been built`;

test(`the bundle on loopback: ${CHANGES} key changes byte for byte, SIGTERM with its stop, a power cut and its stop`, {
  skip,
}, async () => {
  const servers = new Servers();
  await servers.start();
  try {
    const config = configure(servers);
    const first = run(config);
    const ready = async () => {
      const view = await channel();
      return view?.viewing.membership.kind === "joined" && view.viewing.epochs.length > 0;
    };
    await until("joined and granted", ready);
    for (let change = 0; change < CHANGES; change++) {
      servers.announce();
      for (let n = 0; n < 10; n++) servers.send();
      await until("the next key", async () => (await channel())?.viewing.epochs.includes(servers.newest) ?? false);
      servers.sender.switchTo(servers.newest);
      for (let n = 0; n < 10; n++) servers.send();
    }
    await until("the last packet", async () => (await channel())?.received === servers.input.length);
    const view = await channel();
    assert.deepEqual([view?.lost, view?.duplicated, view?.undecryptable], [0, 0, 0]);

    const { code, took } = await endedBy("SIGTERM", first.child);
    assert.equal(code, 0);
    assert.ok(took < 2000, `${took} ms`);
    assert.equal(servers.stops[0]?.cause, "stopped");
    assert.ok(
      sameBytes(readFileSync(join(scratch, "out.ts")), concatenated(servers.input)),
      "what came out is what went in",
    );

    const second = run(config);
    await until("joined and granted again", ready);
    second.child.kill("SIGKILL");
    await second.ended;
    const third = run(config);
    await until("the stop of what the power cut ended", () =>
      servers.stops.some(({ cause }) => cause === "power-lost"),
    );
    third.child.kill("SIGTERM");
    assert.equal(await third.ended, 0);
    assert.match(readFileSync(join(scratch, "receptions.json"), "utf8"), /"receptions":\[\]/);
  } finally {
    await servers.close();
  }
});

interface Choice {
  readonly driver: string;
  readonly passedOver?: Readonly<Record<string, string>>;
}

test("status names the drivers of the stream, and why the addon's were not taken where it does not load", {
  skip,
}, async () => {
  const servers = new Servers();
  await servers.start();
  try {
    const config = configure(servers, { tune: [] });
    const cannot = join(config, "is a file");
    const passedOver = /the cipher driver cannot load its native part: cannot load sealcast_sockets\.node/;
    for (const [env, expected] of [
      [{}, "native"],
      [{ SEALCAST_NATIVE_DIR: cannot }, "node"],
    ] as const) {
      const { child, ended } = run(config, { ...process.env, NODE_PATH: "", ...env });
      const drivers = async (): Promise<Readonly<Record<string, Choice>> | undefined> =>
        ((await ask(join(scratch, "sock"), "/status"))?.body as { drivers?: Record<string, Choice> })?.drivers;
      await until("the drivers", async () => (await drivers()) !== undefined);
      const { cipher, datagrams } = (await drivers()) ?? {};
      assert.deepEqual([cipher?.driver, datagrams?.driver], [expected, expected]);
      if (expected === "node") assert.match(cipher?.passedOver?.native ?? "", passedOver);
      child.kill("SIGTERM");
      assert.equal(await ended, 0);
    }
  } finally {
    await servers.close();
  }
});

test("a reload that is refused: what the old configuration waits for is still waited for", { skip }, async () => {
  const servers = new Servers();
  await servers.start();
  try {
    const awaited = { interfaceAddress: "192.0.2.9", tune: [] };
    const config = configure(servers, awaited);
    const child = spawn(process.execPath, [BUNDLE, "--config", config], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    let log = "";
    child.stdout.on("data", (text) => (log += String(text)));
    const state = async () =>
      ((await ask(join(scratch, "sock"), "/status"))?.body as { state?: string } | undefined)?.state;
    const waiting = "waiting for interface address 192.0.2.9";
    await until("the start", async () => (await state()) === waiting);
    configure(servers, { tune: [], output: { form: "file", path: join(scratch, "no-such-folder", "out.ts") } });
    child.kill("SIGHUP");
    await until("the refusal", () => log.includes("going on with the old configuration"));
    assert.equal(await state(), waiting);
    configure(servers, { tune: [] });
    child.kill("SIGHUP");
    await until("the reload", async () => (await state()) === "running");
    child.kill("SIGTERM");
    assert.equal(await ended, 0);
  } finally {
    await servers.close();
  }
});
