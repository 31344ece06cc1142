// The control server (51 and 52 in one) on a store in memory that outlives it, with its operator.
import { toHex } from "../../core/base/bytes.ts";
import type { TableName, Tables } from "../../core/ports/tables.ts";
import type { Identity } from "../../hal/identity/identity.ts";
import { type CommitFate, MemoryDisk, MemoryStore } from "../../hal/store/memory.ts";
import { type ControlConfig, controlConfig } from "../control/config.ts";
import { type Servers, startServers } from "../control/servers.ts";
import { Directory } from "../operator/directory.ts";
import { CommandRefused } from "../shared/admin.ts";
import { CHANNELS, parse } from "./configuration.testkit.ts";
import type { SimulatedHost } from "./host.testkit.ts";
import { SimulatedProcess } from "./process.testkit.ts";

const ALL = 65_536;

/** The log has no secret, of an operator neither. */
const withoutPassword = (name: string, value: unknown): unknown => (name === "password" ? undefined : value);

export class ControlBox {
  readonly id = "control";
  readonly disk = new MemoryDisk();
  /** What becomes of each transaction. */
  fate: () => CommitFate = () => "commits";
  readonly #host: SimulatedHost;
  readonly #identities: { readonly keyserver: Identity; readonly reception: Identity };
  readonly #config: ControlConfig = parse(controlConfig, {
    keyServer: { id: "key-server" },
    reception: { id: "reception-server" },
    grace: 15,
  });
  #running: SimulatedProcess | undefined;
  #servers: Servers | undefined;

  constructor(host: SimulatedHost, keyserver: Identity, reception: Identity) {
    this.#host = host;
    this.#identities = { keyserver, reception };
  }

  get runs(): boolean {
    return this.#running?.alive === true;
  }

  async start(): Promise<void> {
    const running = new SimulatedProcess();
    this.#running = running;
    const store = new MemoryStore(this.disk, () => this.#fateIn(running));
    running.until(() => void store.close());
    const { keyserver, reception } = this.#identities;
    const { clock, entropy, log, buses } = this.#host.process(this.id, running, undefined);
    const platform = { clock, entropy, log, buses, store, primitives: this.#host.primitives };
    const directory = await Directory.open(store);
    this.#servers = await startServers(this.#config, keyserver, reception, { ...platform, directory });
  }

  kill(): void {
    this.#host.say(`${this.id} is killed`);
    this.#running?.end();
  }

  /** Undefined when the server does not run, died of it, or refused. */
  command(name: string, input: object): Promise<unknown> {
    const command = this.#servers?.commands[name];
    if (command === undefined || !this.runs) return Promise.resolve(undefined);
    this.#host.say(`operator ${name} ${JSON.stringify(input, withoutPassword)}`);
    return Promise.resolve(command(input)).catch((error: unknown) => {
      if (error instanceof CommandRefused) this.#host.say(`operator is refused: ${error.message}`);
      else this.#host.say(`operator fails: ${String(error)}`);
      return undefined;
    });
  }

  /** As an operator would, before anything starts to watch. */
  async register(settops: readonly Identity[], services: readonly Identity[], strangers: readonly string[]) {
    for (const { id } of CHANNELS) await this.command("channel.add", { id });
    await this.command("package.add", { id: "base", channels: CHANNELS.map(({ id }) => id) });
    for (const { id, x25519, password } of settops) {
      await this.command("subscriber.add", { id: `payer-${id}` });
      if (!strangers.includes(id))
        await this.command("subscription.add", { subscriber: `payer-${id}`, package: "base" });
      const publicKey = toHex(x25519.publicKey);
      await this.command("device.add", { id, subscriber: `payer-${id}`, publicKey, password });
    }
    for (const { id, role, x25519, password } of services)
      await this.command("service.add", { id, role, publicKey: toHex(x25519.publicKey), password });
  }

  rows<T extends TableName>(table: T): readonly Tables[T][] {
    return this.disk.find({ table, limit: ALL }) as unknown as readonly Tables[T][];
  }

  /** By patent message number, sent and received. */
  messages(): object | undefined {
    if (!this.runs || this.#servers === undefined) return undefined;
    const { keys, reception } = this.#servers;
    return { keys: keys.status().messages, reception: reception.status().messages };
  }

  status(): object | undefined {
    if (!this.runs || this.#servers === undefined) return undefined;
    return { keys: this.#servers.keys.status(), reception: this.#servers.reception.status() };
  }

  #fateIn(running: SimulatedProcess): CommitFate {
    const fate = this.fate();
    if (fate !== "commits") this.#host.say(`${this.id} store: ${fate}`);
    if (fate === "dies-before" || fate === "dies-after") running.end();
    return fate;
  }
}
