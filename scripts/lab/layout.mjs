// Where each participant of figure 2 lives and how it is reached: in namespaces, or all of them on this machine.
import { Here } from "./network.mjs";
import { freeTcpPort, freeUdpPort } from "./ports.mjs";
import { ADDRESS, figureTwo, placesOf, ROUTER_NAMES } from "./topology.mjs";

/**
 * @typedef {import("./network.mjs").Namespace} Namespace
 * @typedef {import("./topology.mjs").PlaceName} PlaceName
 * @typedef {import("./topology.mjs").RouterName} RouterName
 * @typedef {{
 *   places: Record<PlaceName, Namespace | Here>, routers: readonly RouterName[], brokerAddress: string, brokerPort: number, inputPort: number,
 *   groupPort: number, interfaceOf: (participant: string) => string,
 * }} Layout
 */

/**
 * @param {import("./run.mjs").Run} run
 * @returns {Layout}
 */
export function inNamespaces(run) {
  return {
    places: figureTwo(run.network),
    routers: ROUTER_NAMES,
    brokerAddress: ADDRESS.control,
    brokerPort: 1883,
    inputPort: 5100,
    groupPort: 5004,
    // The kernel chooses by its routes: every host has one interface.
    interfaceOf: () => "0.0.0.0",
  };
}

/** @returns {Promise<Layout>} */
export async function onLoopback() {
  const here = new Here();
  return {
    places: placesOf(() => here),
    routers: [],
    brokerAddress: "127.0.0.1",
    brokerPort: await freeTcpPort(),
    inputPort: await freeUdpPort(),
    groupPort: await freeUdpPort(),
    interfaceOf: () => "127.0.0.1",
  };
}
