// Where routers are compared: a source, a router, two viewers on one LAN with a switch between, a third on another LAN. The interfaces and
// addresses of the router are those of bench:igmp, whose routers are started here.

import { Wire } from "../../build/targets/router/conformance/wire.testkit.js";
import { ADDRESSES, DOWNSTREAMS, emptied, UPSTREAM } from "../bench/igmp/site.mjs";
import { ask, observe } from "../lab/waiting.mjs";

const STREAM = "targets/router/lab-stream.testkit.cjs";
const PORT = "5004";
/** Packets a second. */
export const RATE = 200;
export const SOURCE = "10.50.0.1";
export const OTHER_SOURCE = "10.50.0.2";
/** Nothing waits so long unless it waits for ever. */
const LIMIT = 20_000;

/** @typedef {{ received: number, lost: number, lastAt: number }} Count */

/** A kernel that joins, and counts what is missing in the numbered stream. */
class Viewer {
  /** @param {import("../lab/process.mjs").Process} process */
  constructor(process) {
    this.process = process;
  }

  /** @param {string} line @param {RegExp} answer */
  #ask(line, answer) {
    const from = this.process.lines.length;
    this.process.stdin.write(`${line}\n`);
    return this.process.line(answer, LIMIT, from);
  }

  join(/** @type {string} */ group) {
    return this.#ask(`join ${group}`, /^joined/);
  }

  leave() {
    return this.#ask("leave", /^left/);
  }

  /** What came since the last count. @returns {Promise<Count>} */
  async count() {
    return JSON.parse(await this.#ask("count", /^\{/));
  }

  /** What comes within a span (ms). */
  async watch(/** @type {number} */ span) {
    await this.count();
    await observe(span);
    return this.count();
  }

  /** Milliseconds until the first packet comes; undefined when none does within `limit`. */
  async first(/** @type {number} */ limit) {
    await this.count();
    const begin = performance.now();
    while (performance.now() - begin < limit) {
      if ((await this.count()).received > 0) return performance.now() - begin;
      await observe(20);
    }
    return undefined;
  }
}

/** Namespaces for one router. */
export class Place {
  /** @type {import("../bench/igmp/routers.mjs").Running | undefined} */
  running;

  /**
   * @param {import("../lab/run.mjs").Run} run
   * @param {import("../bench/igmp/routers.mjs").Router} kind
   * @param {string} [mark] where the same router is in several places
   */
  constructor(run, kind, mark = "") {
    this.run = run;
    this.kind = kind;
    this.name = kind.name + mark;
    const { network } = run;
    const at = (/** @type {string} */ name) => network.namespace(`${name}-${this.name}`);
    this.source = at("src");
    this.router = at("rt");
    this.switch = at("sw");
    this.viewers = { a: at("a"), b: at("b"), c: at("c") };
    // igmpproxy asks upstream with one socket, which else joins 20 groups.
    this.router.set({ "net/ipv4/ip_forward": 1, "net/ipv4/igmp_max_memberships": 100_000 });
    this.connectUpstream("254");
    network.bridge(this.switch, "br0", { snooping: false });
    const port = (/** @type {string} */ name) => ({ at: this.switch, name, bridge: "br0" });
    const eth = (/** @type {"a" | "b" | "c"} */ name, /** @type {string} */ address) => ({
      at: this.viewers[name],
      name: "eth0",
      address,
    });
    network.cable({ at: this.router, name: "lan0", address: `${ADDRESSES.lan0}/16` }, port("port-r"));
    network.cable(eth("a", "10.60.0.11/16"), port("port-a"));
    network.cable(eth("b", "10.60.0.12/16"), port("port-b"));
    network.cable({ at: this.router, name: "lan1", address: `${ADDRESSES.lan1}/16` }, eth("c", "10.61.0.13/16"));
  }

  /** The line towards the source, new, under an address that ends so. */
  connectUpstream(/** @type {string} */ last) {
    this.run.network.cable(
      { at: this.source, name: "eth0", address: `${SOURCE}/24` },
      { at: this.router, name: UPSTREAM, address: `10.50.0.${last}/24` },
    );
    this.source.ip("address", "add", `${OTHER_SOURCE}/24`, "dev", "eth0");
    this.source.ip("route", "add", "default", "via", `10.50.0.${last}`);
  }

  /** The interface is gone, and its index with it. */
  cutUpstream() {
    this.router.ip("link", "del", UPSTREAM);
  }

  up() {
    return ask("every cable to be up", () => this.#isUp() || undefined, { every: 20 });
  }

  #isUp() {
    const links = JSON.parse(this.router.ip("-json", "link", "show", "type", "veth"));
    return links.every((/** @type {any} */ link) => link.operstate === "UP");
  }

  #started = 0;
  /** @type {(() => unknown)[]} */
  #ends = [];

  /** @param {import("../lab/network.mjs").Namespace} place @param {string} name @param {...string} args */
  #program(place, name, ...args) {
    this.#started += 1;
    const what = { place, program: process.execPath, args: [STREAM, ...args] };
    const started = this.run.start(`${name}-${this.name}-${this.#started}`, what);
    this.#ends.push(() => started.stop());
    return started;
  }

  /** Ends what a case has started, but for the router. */
  async clear() {
    await Promise.all(this.#ends.splice(0).map((end) => end()));
  }

  /** A numbered stream to groups; resolves when it is ready to be told which. */
  async stream() {
    const sender = this.#program(this.source, "stream", "stream", SOURCE, PORT, String(RATE));
    await sender.line(/ready/, LIMIT);
    return (/** @type {string} */ group) => void sender.stdin.write(`${group}\n`);
  }

  /** @param {"a" | "b" | "c"} name */
  viewer(name) {
    const address = { a: "10.60.0.11", b: "10.60.0.12", c: "10.61.0.13" }[name];
    return new Viewer(this.#program(this.viewers[name], `viewer-${name}`, "viewer", address, PORT));
  }

  /** Frames on an interface, and the kernel there as a host. @param {import("../lab/network.mjs").Namespace} at */
  async wire(at) {
    const wire = new Wire(at.name, ["eth0"]);
    this.#ends.push(() => wire.close());
    await wire.ready();
    return wire;
  }

  /** Starts the router, as its users do. */
  async start() {
    await this.stop();
    this.running = await this.kind.start(/** @type {any} */ (this), DOWNSTREAMS.length);
    return this.running;
  }

  /** Ends it at once, and what it would leave behind too unless `keeping`. */
  async kill() {
    const { running } = this;
    if (running === undefined) return;
    await Promise.all(running.all.map((one) => one.kill()));
    this.running = undefined;
  }

  async stop() {
    await this.kill();
    await emptied(this.router);
  }
}
