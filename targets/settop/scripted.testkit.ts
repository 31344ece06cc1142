// A whole world in simulated time for one set-top: LAN, broker, a key server that does as it is told, and a headend that sends.

import { pino } from "pino";
import { address } from "../../core/base/ipv4.ts";
import { type Duration, milliseconds, seconds } from "../../core/base/time.ts";
import { Endpoint } from "../../core/control/endpoint.ts";
import { Mailbox, type Received } from "../../core/control/mailbox.ts";
import type { Message, MessageOf } from "../../core/control/messages.ts";
import type { Output } from "../../core/ports/output.ts";
import { Recorder } from "../../core/settop/playout.testkit.ts";
import { MP2T, RTP_HEADER, writeRtpHeader } from "../../core/stream/rtp.ts";
import { StreamSender } from "../../core/stream/sender.ts";
import { SigningLine } from "../../core/stream/signing-line.ts";
import { SimulatedBroker } from "../../hal/bus/simulated.ts";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SimulatedDatagrams } from "../../hal/datagram/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { generateIdentity, peerOf } from "../../hal/identity/identity.ts";
import { MemoryJournal } from "../../hal/journal/memory.ts";
import type { OutputChoice } from "../../hal/output/open.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import type { Faults, SimulatedLan } from "../../hal/simulation/lan.ts";
import { SimulatedNetwork } from "../../hal/simulation/network.ts";
import type { SimulatedNode } from "../../hal/simulation/node.ts";
import type { SettopConfig } from "./config.ts";
import { SettopService } from "./service.ts";

const GROUP = address("239.255.77.1");
const PORT = 5004;
const SSRC = 0x5ea1ca57;
const PAYLOAD = 1316;
const primitives = new NodePrimitives();

export type Answering = (request: MessageOf<"key.request"> | MessageOf<"stop">) => Message | undefined;

export class World {
  readonly clock = new SimulatedClock();
  readonly entropy = new SeededEntropy(11);
  readonly broker = new SimulatedBroker(this.clock, this.entropy);
  readonly network = new SimulatedNetwork(this.clock, this.entropy);
  readonly journal = new MemoryJournal();
  readonly output = new Recorder();
  /** What each output of the configuration is. */
  readonly outputs = { open: (_choice: OutputChoice): Output => this.output };
  /** What the headend sent, in clear. */
  readonly input: Uint8Array[] = [];
  readonly requests: MessageOf<"key.request">[] = [];
  readonly stops: MessageOf<"stop">[] = [];
  answering: Answering = (request) => this.grantOrAcknowledge(request);
  /** Epochs that a grant carries. */
  live: number[] = [];
  readonly #keys = generateIdentity("keyserver", "keys", primitives, this.entropy);
  readonly #box = generateIdentity("settop", "box-1", primitives, this.entropy);
  readonly #secrets = new Map<number, { masterKey: Uint8Array; masterSalt: Uint8Array }>();
  readonly #sender: StreamSender;
  readonly #server: Endpoint;
  readonly #settopDatagrams: SimulatedDatagrams;
  readonly #lan: SimulatedLan;
  #send: ((packet: Uint8Array) => void) | undefined;
  readonly #signer = primitives.ed25519Generate();
  /** Once the channel is signed. */
  #line: SigningLine<never> | undefined;

  constructor(faults: Partial<Faults> = {}, firstIndex = 65_000) {
    const lan = this.network.lan("lan", faults);
    this.#lan = lan;
    const headend = this.network.node("headend");
    headend.attach("eth0", { address: address("10.0.0.1"), lan });
    const settop = this.network.node("settop");
    settop.attach("eth0", { address: address("10.0.0.2"), lan });
    this.#settopDatagrams = new SimulatedDatagrams(settop);
    this.#sender = new StreamSender({
      ciphers: nodeCiphers,
      suite: "AEAD_AES_128_GCM",
      mkiLength: 4,
      ssrc: SSRC,
      firstIndex,
    });
    this.#server = this.#keyServer();
    void new SimulatedDatagrams(headend)
      .open({ address: address("10.0.0.1"), port: 0 }, { datagram() {}, failed() {} })
      .then((socket) => {
        this.#send = (packet) => socket.send(packet, GROUP, PORT);
      });
  }

  config(more: Partial<SettopConfig> = {}): SettopConfig {
    const { publicKey } = this.#keys.x25519;
    const noticeKey = this.#keys.ed25519?.publicKey ?? new Uint8Array(32);
    return {
      id: "box-1",
      log: { level: "silent", format: "json" },
      broker: { url: "mqtt://simulated", protocolVersion: 4 },
      identity: "-",
      journal: "-",
      keyServer: { id: "keys", publicKey, noticeKey },
      cipher: "node",
      datagrams: "node",
      interfaceAddress: address("10.0.0.2"),
      receiveBuffer: 1 << 20,
      channels: [{ id: "one", group: GROUP, port: PORT }],
      tune: ["one"],
      output: { form: "null" },
      reorder: { depth: 32, patience: milliseconds(50) },
      authentication: "require",
      most: 4,
      overlap: seconds(2),
      refresh: "off",
      linger: seconds(2),
      ...more,
    };
  }

  /** The set-top starts, or starts again. */
  async start(more: Partial<SettopConfig> = {}): Promise<SettopService> {
    const service = await SettopService.start(this.config(more), {
      clock: this.clock,
      entropy: this.entropy,
      datagrams: this.#settopDatagrams,
      ciphers: nodeCiphers,
      primitives,
      buses: this.broker.connector("settop"),
      journal: this.journal,
      keys: this.#box.x25519,
      log: pino({ level: "silent" }),
      openOutput: async (choice) => this.outputs.open(choice),
    });
    await this.pass(milliseconds(20));
    return service;
  }

  /** Time passes in small steps; what is asynchronous gets its turn. */
  async pass(span: Duration): Promise<void> {
    for (let gone = 0; gone < span; gone += 5) {
      this.clock.run(milliseconds(Math.min(5, span - gone)));
      this.#line?.poll(this.clock.now());
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** A packet every 5 ms, numbered so that no two are alike. */
  async stream(span: Duration): Promise<void> {
    for (let gone = 0; gone < span; gone += 5) {
      this.sendPacket();
      await this.pass(milliseconds(5));
    }
  }

  sendPacket(): void {
    const packet = new Uint8Array(RTP_HEADER + PAYLOAD + this.#sender.trailerLength);
    writeRtpHeader(packet, MP2T, this.input.length);
    const payload = packet.subarray(RTP_HEADER, RTP_HEADER + PAYLOAD);
    new DataView(packet.buffer).setUint32(RTP_HEADER, this.input.length);
    payload.fill(this.input.length & 255, 4);
    this.input.push(payload.slice());
    this.#sender.protect(packet, RTP_HEADER + PAYLOAD);
    if (this.#line === undefined) this.#send?.(packet);
    else this.#line.push(this.clock.now(), packet, () => {});
  }

  /** The headend signs the channel; to be called before the first epoch. */
  signs(): void {
    this.#line = new SigningLine({
      primitives,
      stream: { channel: "one", ssrc: SSRC },
      signingKey: this.#signer.privateKey,
      window: milliseconds(50),
      send: (datagram) => this.#send?.(datagram),
    });
  }

  /** A member of the group with the key of an epoch, who sends this payload as the headend's next packets, and as packets far ahead. */
  async inject(from: SimulatedNode, epoch: number, payload: number, packets: number): Promise<void> {
    const { masterKey, masterSalt } = this.#secret(epoch);
    const { roc, seq } = this.#sender.position();
    const listener = { datagram() {}, failed() {} };
    const socket = await new SimulatedDatagrams(from).open({ address: address("10.0.0.66"), port: 0 }, listener);
    for (const ahead of [1, 20_000]) {
      const firstIndex = roc * 0x10000 + seq + ahead;
      const suite = { suite: "AEAD_AES_128_GCM", mkiLength: 4 } as const;
      const sender = new StreamSender({ ciphers: nodeCiphers, ...suite, ssrc: SSRC, firstIndex });
      sender.install(epoch, masterKey, masterSalt);
      sender.switchTo(epoch);
      for (let i = 0; i < packets; i++) {
        const packet = new Uint8Array(RTP_HEADER + PAYLOAD + sender.trailerLength).fill(payload, RTP_HEADER);
        writeRtpHeader(packet, MP2T, i);
        sender.protect(packet, RTP_HEADER + PAYLOAD);
        socket.send(packet, GROUP, PORT);
      }
    }
    await this.pass(milliseconds(5));
    socket.close();
  }

  /** Another machine on the LAN. */
  stranger(): SimulatedNode {
    const node = this.network.node("stranger");
    node.attach("eth0", { address: address("10.0.0.66"), lan: this.#lan });
    return node;
  }

  /** Random datagrams on the group and port, some of them with our SSRC and a version that is right. */
  async attack(from: SimulatedNode, datagrams: number): Promise<void> {
    const listener = { datagram() {}, failed() {} };
    const socket = await new SimulatedDatagrams(from).open({ address: address("10.0.0.66"), port: 0 }, listener);
    for (let i = 0; i < datagrams; i++) {
      const packet = this.entropy.bytes(Math.floor(this.entropy.below(200)));
      if (this.entropy.below(4) > 1 && packet.length > RTP_HEADER) {
        packet[0] = 0x80;
        if (this.entropy.below(2) < 1) new DataView(packet.buffer).setUint32(8, SSRC);
      }
      socket.send(packet, GROUP, PORT);
      if (i % 100 === 0) await this.pass(milliseconds(1));
    }
    socket.close();
  }

  /** 91: the epoch exists from now on, and the sender will switch. */
  announce(epoch: number, switchIn = 500, window = 400): void {
    this.live = [...this.live, epoch].slice(-2);
    const { masterKey, masterSalt } = this.#secret(epoch);
    this.#sender.install(epoch, masterKey, masterSalt);
    this.#line?.install(epoch, masterKey, masterSalt);
    const issued = Math.round(this.clock.unix(this.clock.now()));
    this.#server.notice({ channel: "one", epoch, issued, switchIn, window });
  }

  switchTo(epoch: number): void {
    this.#sender.switchTo(epoch);
    this.#line?.switchTo(this.clock.now(), epoch);
    this.live = this.live.filter((live) => live >= epoch);
  }

  /** The first epoch, in use at once. */
  begin(epoch: number): void {
    this.announce(epoch);
    this.switchTo(epoch);
  }

  grantOrAcknowledge(request: MessageOf<"key.request"> | MessageOf<"stop">): Message | undefined {
    const { id, channel, reception } = request;
    if (request.type === "stop") return { type: "stop.acknowledged", id, channel, reception };
    const [current] = this.live;
    if (current === undefined) return { type: "key.busy", id, channel, reason: "no-epoch", retryAfter: 200 };
    const { roc, seq } = this.#sender.position();
    const signer = this.#line === undefined ? {} : { signer: this.#signer.publicKey };
    return {
      type: "key.grant",
      id,
      channel,
      stream: { suite: "AEAD_AES_128_GCM", mkiLength: 4, ssrc: SSRC, payloadType: MP2T, ...signer },
      epochs: this.live.map((epoch) => ({ epoch, ...this.#secret(epoch) })),
      current,
      position: { roc, seq, age: 0 },
      refreshWithin: 600_000,
    };
  }

  #secret(epoch: number): { masterKey: Uint8Array; masterSalt: Uint8Array } {
    const known = this.#secrets.get(epoch) ?? { masterKey: this.entropy.bytes(16), masterSalt: this.entropy.bytes(12) };
    this.#secrets.set(epoch, known);
    return known;
  }

  #keyServer(): Endpoint {
    const { id, x25519, ed25519 } = this.#keys;
    const mailbox = new Mailbox(
      { role: "keyserver", id, keys: x25519, peers: [peerOf(this.#box)] },
      primitives,
      this.entropy,
    );
    const sign = ed25519?.privateKey ?? new Uint8Array(32);
    const endpoint: Endpoint = new Endpoint(
      this.broker.connector("keyserver"),
      { mailbox, clock: this.clock, primitives, noticeKey: { sign } },
      {
        message: (received) => this.#asked(endpoint, received),
        notice() {},
        up() {},
        down() {},
        dropped() {},
      },
    );
    return endpoint;
  }

  #asked(endpoint: Endpoint, { message, request }: Received): void {
    if (request === undefined || (message.type !== "key.request" && message.type !== "stop")) return;
    if (message.type === "stop") this.stops.push(message);
    else this.requests.push(message);
    const answer = this.answering(message);
    if (answer !== undefined) endpoint.answer(request, answer);
  }
}

export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
