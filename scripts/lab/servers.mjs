// Key server 51 and reception server 52: in one process with its own broker (`control`), or apart with Mosquitto between them.
import { Mosquitto } from "./broker.mjs";
import { bundle, keygen, TargetProcess } from "./bundle.mjs";
import { commandMeanwhile } from "./command.mjs";
import * as configuration from "./configuration.mjs";
import { Operator } from "./operator.mjs";

/**
 * @typedef {import("./configuration.mjs").PublicIdentity} PublicIdentity
 * @typedef {{ keyServer: PublicIdentity, reception: PublicIdentity, services: TargetProcess[], operator: Operator, broker?: Mosquitto }} Servers
 *   `services`: every process that counts messages
 * @typedef {object} Site what the servers have to know of the system that they serve
 * @property {import("./run.mjs").Run} run
 * @property {import("./layout.mjs").Layout["places"]} places
 * @property {import("./layout.mjs").Layout} layout
 * @property {string} url the broker's
 * @property {{ id: string }[]} channels
 * @property {{ apart: boolean }} options
 */

/**
 * @param {Site} site
 * @param {PublicIdentity} headend
 * @returns {Promise<Servers>}
 */
export async function startServers(site, headend) {
  const servers = site.options.apart ? await startApart(site, headend) : await startControl(site);
  await servers.operator.open(site.channels);
  return servers;
}

/** @param {Site} site */
async function startControl({ run, places, layout }) {
  const config = configuration.control({
    listener: { host: layout.brokerAddress, port: layout.brokerPort },
    folder: run.path("control"),
  });
  const control = await new TargetProcess(run, {
    target: "control",
    id: "control",
    place: places.control,
    config,
  }).start();
  const told = JSON.parse(
    await commandMeanwhile(process.execPath, [bundle("control"), "--config", control.file, "peers"]),
  );
  return {
    keyServer: { id: told.keyServer.id, x25519: told.keyServer.publicKey, ed25519: told.keyServer.noticeKey },
    reception: { id: told.reception.id, x25519: told.reception.publicKey },
    services: [control],
    operator: new Operator(control),
  };
}

/**
 * @param {Site} site
 * @param {PublicIdentity} headend
 */
async function startApart({ run, places, layout, url }, headend) {
  const where = { address: layout.brokerAddress, port: layout.brokerPort };
  const broker = await new Mosquitto(run, places.control, where).start();
  const identity = (/** @type {string} */ name) => run.path("keys", `${name}.json`);
  const keyServer = await keygen("keyserver", "key-server", identity("key-server"));
  const reception = await keygen("reception", "reception-server", identity("reception-server"));
  const common = { url, folder: run.path("apart") };
  const registrar = new TargetProcess(run, {
    target: "reception",
    id: "reception-server",
    place: places.control,
    config: configuration.reception({ ...common, identity: identity("reception-server"), keyServer }),
  });
  const keys = new TargetProcess(run, {
    target: "keyserver",
    id: "key-server",
    place: places.control,
    config: configuration.keyserver({ ...common, identity: identity("key-server"), reception, headend }),
  });
  await Promise.all([registrar.start(), keys.start()]);
  return { keyServer, reception, services: [keys, registrar], operator: new Operator(registrar), broker };
}
