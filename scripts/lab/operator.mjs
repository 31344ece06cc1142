// The operator of figure 2: registers who takes part, and reads what the servers recorded.
import { readFileSync } from "node:fs";
import { bundle } from "./bundle.mjs";
import { command } from "./command.mjs";

/** Holds the package with every channel; the other one holds nothing. */
const SUBSCRIBER = "alice";
const STRANGER = "mallory";
export const PACKAGE = "everything";

/** @typedef {{ id: string, x25519: string, identity: string }} Keys `identity`: path of the file, which has the password */

const passwordOf = (/** @type {Keys} */ { identity }) => JSON.parse(readFileSync(identity, "utf8")).password;

export class Operator {
  #registrar;

  /** @param {import("./bundle.mjs").TargetProcess} registrar the process that keeps the register: control, or the reception server */
  constructor(registrar) {
    this.#registrar = registrar;
  }

  /**
   * A command over the local socket. Throws with the server's words when it is refused.
   * @param {string} name
   * @param {object} [input]
   */
  async do(name, input = {}) {
    const answer = await this.#registrar.command(name, input);
    if (answer === undefined) throw new Error(`${name}: ${this.#registrar.id} does not answer`);
    if (answer !== null && "error" in Object(answer)) throw new Error(`${name}: ${answer.error}`);
    return answer;
  }

  /**
   * What the command line prints for a person.
   * @param {...string} words
   */
  table(...words) {
    return command(process.execPath, [bundle(this.#registrar.target), "--config", this.#registrar.file, ...words]);
  }

  /**
   * A listing as the command line prints it for a program.
   * @param {...string} words
   * @returns {Record<string, any>[]}
   */
  show(...words) {
    return JSON.parse(this.table(...words, "--json"));
  }

  /** @param {{ id: string }[]} channels */
  async open(channels) {
    for (const { id } of channels) await this.do("channel.add", { id });
    await this.do("package.add", { id: PACKAGE, channels: channels.map(({ id }) => id) });
    for (const id of [SUBSCRIBER, STRANGER]) await this.do("subscriber.add", { id });
    await this.do("subscription.add", { subscriber: SUBSCRIBER, package: PACKAGE });
  }

  /**
   * @param {"headend" | "router" | "keyserver" | "reception"} role
   * @param {Keys} keys
   */
  addService(role, keys) {
    return this.do("service.add", { id: keys.id, role, publicKey: keys.x25519, password: passwordOf(keys) });
  }

  /**
   * @param {Keys} keys
   * @param {{ entitled: boolean, mac?: string | undefined }} what
   */
  addDevice(keys, { entitled, mac }) {
    const subscriber = entitled ? SUBSCRIBER : STRANGER;
    return this.do("device.add", { id: keys.id, subscriber, publicKey: keys.x25519, password: passwordOf(keys), mac });
  }

  revoke(/** @type {string} */ id) {
    return this.do("device.revoke", { id });
  }
}
