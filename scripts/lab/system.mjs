// The whole of figure 2 as running processes: servers, routers, headend; set-tops as they are asked for.
import { keygen, TargetProcess } from "./bundle.mjs";
import * as configuration from "./configuration.mjs";
import { given } from "./given.mjs";
import { inNamespaces, onLoopback } from "./layout.mjs";
import { addCounts, messagesOf, routerMessagesOf } from "./messages.mjs";
import { Namespace } from "./network.mjs";
import { Run } from "./run.mjs";
import { startServers } from "./servers.mjs";
import { Settop } from "./settop.mjs";
import { ROUTERS } from "./topology.mjs";
import { ask } from "./waiting.mjs";

/**
 * @typedef {import("./network.mjs").Here} Here
 * @typedef {import("./topology.mjs").RouterName} RouterName
 * @typedef {import("./servers.mjs").Servers} Servers
 * @typedef {Record<string, any>} Row of a listing
 * @typedef {{
 *   apart?: boolean, keys?: "headend" | "key-server", interval?: number, lead?: number, window?: number, loopback?: boolean, loop?: string, rate?: number,
 *   channels?: { id: string, group: string, source?: string }[],
 * }} Options
 *   apart: key server and reception server as two processes over Mosquitto; keys: who makes them; interval: seconds between two;
 *   lead, window: of its next, in seconds, else the headend's own;
 *   loopback: no namespaces and no routers; loop: a file that the headend loops (else the numbered stream, at `rate` bit/s)
 */

const GENERATOR = `${import.meta.dirname}/generator.mjs`;
export const ONE = { id: "one", group: "239.41.0.1" };
/** @type {Required<Omit<Options, "loopback" | "loop" | "lead" | "window">>} */
const DEFAULTS = { apart: false, keys: "headend", interval: 2, rate: 3_000_000, channels: [ONE] };

export class System {
  /** @type {TargetProcess[]} */
  routers = [];
  /** @type {TargetProcess | undefined} */
  #headend;
  /** @type {Servers | undefined} */
  #servers;
  /** @type {Settop[]} */
  settops = [];

  /** @param {Options} [options] */
  static async start(options = {}) {
    const run = new Run();
    try {
      const layout = options.loopback ? await onLoopback() : inNamespaces(run);
      const system = new System(run, layout, options);
      await system.#start();
      return system;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const logs = run.logs(20);
      await run.close();
      throw new Error(`${message}\n${logs}`, { cause: error });
    }
  }

  /**
   * @param {Run} run
   * @param {import("./layout.mjs").Layout} layout
   * @param {Options} options
   */
  constructor(run, layout, options) {
    this.run = run;
    this.layout = layout;
    this.options = { ...DEFAULTS, ...options };
    this.places = layout.places;
    this.channels = this.options.channels.map((channel, index) => ({ ...channel, port: layout.groupPort + index }));
    this.url = `mqtt://${layout.brokerAddress}:${layout.brokerPort}`;
    this.group = this.channels[0]?.group ?? "";
    /** What the generator has sent, exactly. */
    this.input = run.path("input.ts");
  }

  get headend() {
    return given(this.#headend, "the headend");
  }

  get servers() {
    return given(this.#servers, "the key server and the reception server");
  }

  /** Where a participant lives; only with namespaces is that a network of its own. @param {string} name */
  place(name) {
    return given(/** @type {Record<string, Namespace | Here>} */ (this.places)[name], `a place named ${name}`);
  }

  /** @param {string} name */
  namespace(name) {
    const place = this.place(name);
    if (!(place instanceof Namespace)) throw new Error(`${name} has no namespace on loopback`);
    return place;
  }

  async #start() {
    // The key server is told of the headend before either of them runs.
    const headendKeys = await keygen("headend", "headend", this.#identity("headend"));
    this.#servers = await startServers(this, headendKeys);
    const { routers } = this.layout;
    await Promise.all([...routers.map((name) => this.#startRouter(name)), this.#startHeadend(headendKeys)]);
    if (this.options.loop === undefined) await this.#startGenerator();
    await this.headend.until("a first key", (status) => status.channels[0]?.epoch !== undefined);
  }

  #identity(/** @type {string} */ id) {
    return this.run.path("keys", `${id}.json`);
  }

  /**
   * Registers a participant; what its configuration says of the broker and the servers.
   * @param {import("./configuration.mjs").PublicIdentity} keys
   * @param {(keys: import("./operator.mjs").Keys) => Promise<unknown>} register
   */
  async #join(keys, register) {
    const identity = this.#identity(keys.id);
    await register({ ...keys, identity });
    return { url: this.url, identity, keyServer: this.servers.keyServer, reception: this.servers.reception };
  }

  /** @param {RouterName} name */
  async #startRouter(name) {
    const membership = await this.#join(await keygen("router", name, this.#identity(name)), (keys) =>
      this.servers.operator.addService("router", keys),
    );
    const config = configuration.router(name, membership, ROUTERS[name]);
    const router = new TargetProcess(this.run, { target: "router", id: name, place: this.places[name], config });
    this.routers.push(router);
    await router.start();
    // What a host says before the tap listens is evidence only when it says it again.
    for (const port of ROUTERS[name].ports)
      await router.process.line(new RegExp(`"port":"${port}","msg":"tap is listening"`));
  }

  /** @param {import("./configuration.mjs").PublicIdentity} made */
  async #startHeadend(made) {
    const { keys, interval, lead, window, loop } = this.options;
    const membership = await this.#join(made, (own) => this.servers.operator.addService("headend", own));
    const input =
      loop === undefined
        ? (/** @type {number} */ index) => ({ kind: "udp", address: "127.0.0.1", port: this.layout.inputPort + index })
        : () => ({ kind: "file", path: loop, loop: true });
    const config = configuration.headend("headend", membership, {
      channels: this.channels.map((channel, index) => ({ ...channel, input: input(index) })),
      interfaceAddress: this.layout.interfaceOf("headend"),
      keys,
      interval,
      ...(lead === undefined ? {} : { lead }),
      ...(window === undefined ? {} : { window }),
    });
    this.#headend = new TargetProcess(this.run, {
      target: "headend",
      id: "headend",
      place: this.places.headend,
      config,
    });
    await this.#headend.start();
  }

  async #startGenerator() {
    const args = [GENERATOR, "127.0.0.1", String(this.layout.inputPort), String(this.options.rate), this.input];
    const place = this.places.headend;
    this.generator = this.run.start("generator", { place, program: process.execPath, args });
    await this.generator.line(/sending/);
  }

  /**
   * A set-top in its place of figure 2, registered, not started.
   * @param {string} id
   * @param {{ at?: string, entitled?: boolean, tune?: string[], stdout?: (chunk: Buffer) => void }} [what] `at`: whose place it takes
   */
  async settop(id, { at = id, entitled = true, tune = ["one"], stdout } = {}) {
    const membership = await this.#join(await keygen("settop", id, this.#identity(id)), (keys) =>
      this.servers.operator.addDevice(keys, { entitled, mac: this.#macOf(at) }),
    );
    const output = this.run.path("output", `${id}.ts`);
    const config = configuration.settop(id, membership, {
      channels: this.channels,
      interfaceAddress: this.layout.interfaceOf(at),
      journal: this.run.path("journal", `${id}.json`),
      output: stdout ? { form: "stdout" } : { form: "file", path: output },
      tune,
    });
    const settop = new Settop(this.run, { id, place: this.place(at), config, output, stdout });
    this.settops.push(settop);
    return settop;
  }

  /** The Ethernet address of a place; undefined without namespaces, where there is none of its own. */
  #macOf(/** @type {string} */ at) {
    if (this.options.loopback) return undefined;
    return this.namespace(at).run("cat", "/sys/class/net/eth0/address").trim();
  }

  /** The epoch in use on the first channel. */
  async epoch() {
    return (await this.headend.status())?.channels[0]?.epoch;
  }

  /**
   * @param {number} epoch
   * @param {number} limit milliseconds
   */
  reachEpoch(epoch, limit) {
    return this.headend.until(`epoch ${epoch}`, (status) => status.channels[0]?.epoch >= epoch, limit);
  }

  /** Messages of the patent so far, by number. */
  async messages() {
    const servers = await Promise.all(this.servers.services.map((service) => service.status()));
    // Router 42 serves routers, the others serve clients.
    const edge = this.routers.filter((router) => router.id !== "router42");
    const routers = await Promise.all(edge.map((router) => router.status()));
    return addCounts(...servers.map(messagesOf), ...routers.map(routerMessagesOf));
  }

  /**
   * Resolves when each of these messages has been counted more often than before. A tap may need the repetition of a report.
   * @param {number[]} numbers
   * @param {import("./messages.mjs").Counts} before
   * @param {number} [times] how much more often
   */
  async counted(numbers, before, times = 1) {
    let missing = numbers;
    const none = async () => {
      const counts = await this.messages();
      missing = numbers.filter((number) => (counts[number] ?? 0) < (before[number] ?? 0) + times);
      return missing.length === 0 ? true : undefined;
    };
    try {
      await ask("messages", none);
    } catch {
      throw new Error(`messages ${missing.join(", ")} were not counted`);
    }
  }

  /** Live receptions as the operator sees them. @returns {Promise<Row[]>} */
  receptions() {
    return this.servers.operator.do("receptions");
  }

  /** Usage records. @returns {Promise<Row[]>} */
  usage() {
    return this.servers.operator.do("usage");
  }

  /** The newest refusals. @returns {Promise<Row[]>} */
  denials() {
    return this.servers.operator.do("denials");
  }

  close() {
    return this.run.close();
  }
}
