// The contract on every driver: simulated, local, and mqtt against the embedded broker and against a real Mosquitto.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { milliseconds } from "../../core/base/time.ts";
import { mosquittoAcl } from "../../core/control/access.ts";
import type { BusConnector } from "../../core/ports/bus.ts";
import { SimulatedClock } from "../clock/simulated.ts";
import { systemClock } from "../clock/system.ts";
import { SeededEntropy } from "../entropy/seeded.ts";
import { freeTcpPort } from "../free-port.testkit.ts";
import { Broker } from "./broker.ts";
import {
  type BusHarness,
  busContract,
  PARTICIPANTS,
  type ParticipantId,
  passwordOf,
  within,
} from "./contract.testkit.ts";
import { MqttBuses } from "./mqtt.ts";
import { SimulatedBroker } from "./simulated.ts";

const PATIENCE = 10_000;
const HOST = "127.0.0.1";

const roleOf = (id: string) => PARTICIPANTS.find((participant) => participant.id === id)?.role;

const authenticate = (id: string, password: Uint8Array) =>
  Buffer.from(password).toString() === passwordOf(id) ? roleOf(id) : undefined;

class SimulatedHarness implements BusHarness {
  readonly name = "simulated";
  readonly refusesFilters = true;
  readonly #clock = new SimulatedClock();
  readonly #broker = new SimulatedBroker(this.#clock, new SeededEntropy(7), {
    delay: { least: milliseconds(1), most: milliseconds(40) },
  });

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  connector(id: ParticipantId): BusConnector {
    return this.#broker.connector(roleOf(id));
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settling = promise.finally(() => {
      settled = true;
    });
    settling.catch(() => {});
    for (let turn = 0; turn < 2000; turn++) {
      await new Promise(setImmediate);
      if (settled) break;
      this.#clock.run(milliseconds(5));
    }
    return within(0, settling);
  }

  cut(id: ParticipantId): void {
    this.#broker.cut(id);
  }

  async killBroker(): Promise<void> {
    this.#broker.stop();
  }

  async restartBroker(): Promise<void> {
    this.#broker.start();
  }
}

class LocalHarness implements BusHarness {
  readonly name = "local";
  readonly refusesFilters = true;
  #broker: Broker | undefined;

  async start(): Promise<void> {
    this.#broker = await Broker.start({ listeners: [], authenticate });
  }

  async stop(): Promise<void> {
    await this.#broker?.close();
  }

  connector(): BusConnector {
    if (this.#broker === undefined) throw new Error("the harness has not started");
    return this.#broker.local();
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return within(PATIENCE, promise);
  }
}

/** A port that forwards to the broker, so that a connection can be cut from outside. */
class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: () => number): Promise<Relay> {
    const server = createServer({ noDelay: true });
    const relay = new Relay(server);
    server.on("connection", (near) => relay.#join(near, connect({ port: port(), host: HOST, noDelay: true })));
    server.listen(0, HOST);
    await once(server, "listening");
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(near: Socket, far: Socket): void {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}

/** Port mqtt through one relay a participant; which broker is behind it is the subclass's affair. */
abstract class MqttHarness implements BusHarness {
  abstract readonly name: string;
  abstract readonly refusesFilters: boolean;
  readonly #version: 4 | 5;
  readonly #relays = new Map<string, Relay>();
  readonly #clock = systemClock;
  protected port = 0;

  constructor(version: 4 | 5) {
    this.#version = version;
  }

  async start(): Promise<void> {
    this.port = await freeTcpPort();
    for (const { id } of PARTICIPANTS) this.#relays.set(id, await Relay.to(() => this.port));
    await this.restartBroker();
  }

  async stop(): Promise<void> {
    for (const relay of this.#relays.values()) await relay.close();
    await this.killBroker();
  }

  connector(id: ParticipantId): BusConnector {
    const url = `mqtt://${HOST}:${this.#relays.get(id)?.port}`;
    return this.#buses(url, passwordOf(id), id.length);
  }

  withPassword(password: string): BusConnector {
    return this.#buses(`mqtt://${HOST}:${this.port}`, password, password.length);
  }

  #buses(url: string, password: string, seed: number): MqttBuses {
    return new MqttBuses({ url, password, version: this.#version }, this.#clock, new SeededEntropy(seed));
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return within(PATIENCE, promise);
  }

  cut(id: ParticipantId): void {
    this.#relays.get(id)?.cut();
  }

  abstract killBroker(): Promise<void>;
  abstract restartBroker(): Promise<void>;
}

class EmbeddedHarness extends MqttHarness {
  readonly name = "mqtt 3.1.1 to the embedded broker";
  readonly refusesFilters = true;
  #broker: Broker | undefined;

  async restartBroker(): Promise<void> {
    this.#broker = await Broker.start({ listeners: [{ host: HOST, port: this.port }], authenticate });
  }

  async killBroker(): Promise<void> {
    await this.#broker?.close();
  }
}

class MosquittoHarness extends MqttHarness {
  readonly name: string;
  readonly refusesFilters = false;
  readonly #folder = mkdtempSync(join(tmpdir(), "sealcast-mosquitto-"));
  #process: ChildProcess | undefined;

  constructor(version: 4 | 5) {
    super(version);
    this.name = `mqtt ${version === 5 ? "5" : "3.1.1"} to Mosquitto`;
  }

  async restartBroker(): Promise<void> {
    const running = spawn(MOSQUITTO, ["-c", this.#writeConfiguration()], { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = running;
    for await (const line of running.stderr) if (String(line).includes("running")) break;
  }

  async killBroker(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined) return;
    const exited = once(running, "exit");
    running.kill("SIGKILL");
    await exited;
  }

  override async stop(): Promise<void> {
    await super.stop();
    rmSync(this.#folder, { recursive: true });
  }

  #writeConfiguration(): string {
    const [passwords, acl, configuration] = ["passwords", "acl", "mosquitto.conf"].map((n) => join(this.#folder, n));
    if (passwords === undefined || acl === undefined || configuration === undefined) throw new Error("unreachable");
    const users = PARTICIPANTS.map(({ id }) => `${id}:${passwordOf(id)}\n`).join("");
    writeFileSync(passwords, users, { mode: 0o600 });
    spawnSync("mosquitto_passwd", ["-U", passwords]);
    writeFileSync(acl, mosquittoAcl(PARTICIPANTS.filter(({ role }) => role !== "settop")), { mode: 0o600 });
    const lines = [
      `listener ${this.port} ${HOST}`,
      "allow_anonymous false",
      `password_file ${passwords}`,
      `acl_file ${acl}`,
      "use_username_as_clientid true",
      "set_tcp_nodelay true",
      "persistence false",
      "log_dest stderr",
      // Started by root it would become its own user, who may not read this folder.
      "user root",
    ];
    writeFileSync(configuration, lines.join("\n"));
    return configuration;
  }
}

const MOSQUITTO = "/usr/sbin/mosquitto";

busContract(new SimulatedHarness());
busContract(new LocalHarness());
busContract(new EmbeddedHarness(4));
if (existsSync(MOSQUITTO)) {
  busContract(new MosquittoHarness(4));
  busContract(new MosquittoHarness(5));
} else {
  test("mqtt to Mosquitto", { skip: `${MOSQUITTO} is not installed` }, () => {});
}

test("mqtt: to be let in and thrown out again is no success: waits grow, and begin anew after a connection that lasted", async () => {
  const broker = await Broker.start({ listeners: [{ host: HOST, port: 0 }], authenticate });
  const clock = new SimulatedClock();
  const longest = { below: (limit: number) => limit, bytes: (length: number) => new Uint8Array(length) };
  const [id] = PARTICIPANTS.map((participant) => participant.id) as [ParticipantId];
  const url = `mqtt://${HOST}:${broker.ports[0]}`;
  const buses = new MqttBuses({ url, password: passwordOf(id) }, clock, longest);
  const told = new EventEmitter();
  let up = once(told, "up");
  const bus = buses.connect(
    { clientId: id, filters: [] },
    { message: () => {}, up: () => told.emit("up"), down: () => told.emit("down") },
  );
  /** Thrown out, and let in again: how long it has waited, in ms. */
  const again = async (): Promise<number> => {
    await up;
    const down = once(told, "down");
    broker.expel(id);
    await down;
    await new Promise(setImmediate);
    up = once(told, "up");
    const wait = (clock.nextAlarm() ?? clock.now()) - clock.now();
    clock.run(milliseconds(wait));
    return wait;
  };
  const waits: number[] = [];
  for (let round = 0; round < 8; round++) waits.push(await within(PATIENCE, again()));
  assert.deepEqual(waits, [750, 1250, 2250, 4250, 8250, 16_250, 30_250, 30_250]);
  await up;
  clock.run(milliseconds(30_000));
  assert.equal(await within(PATIENCE, again()), 30_250, "not longer than it was waited for");
  await up;
  clock.run(milliseconds(30_251));
  assert.equal(await within(PATIENCE, again()), 750);
  await up;
  await bus.close();
  await broker.close();
});
