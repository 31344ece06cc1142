// The patent's figure 2: content server 41 behind router 42, clients 11, 21, 31 behind routers 12, 22, 32, servers 51 and 52 in the core.
// Client 13 shares router 12 with client 11, on another port of the same bridge.

/**
 * @typedef {import("./network.mjs").Namespace} Namespace
 * @typedef {import("./network.mjs").Network} Network
 * @typedef {typeof PLACES[number]} PlaceName
 * @typedef {typeof ROUTER_NAMES[number]} RouterName
 * @typedef {keyof typeof ADDRESS} HostName
 * @typedef {{ name: string, address?: string, bridge?: string }} Port an interface, with its address or its bridge
 */

export const ROUTER_NAMES = /** @type {const} */ (["router42", "router12", "router22", "router32"]);
const PLACES = /** @type {const} */ ([
  ...["core", "control", "headend"],
  ...ROUTER_NAMES,
  ...["settop11", "settop13", "settop21", "settop31"],
]);

export const ADDRESS = {
  headend: "10.41.0.41",
  control: "10.0.0.51",
  settop11: "10.12.0.11",
  settop13: "10.12.0.13",
  settop21: "10.22.0.21",
  settop31: "10.32.0.31",
};

/**
 * Each router: its interface towards the source, and those towards receivers.
 * @type {Record<RouterName, { address: string, upstream: string, downstream: string[], ports: string[] }>}
 */
export const ROUTERS = {
  router42: { address: "10.0.0.42", upstream: "up0", downstream: ["core0"], ports: [] },
  router12: { address: "10.0.0.12", upstream: "core0", downstream: ["br0"], ports: ["lan11", "lan13"] },
  router22: { address: "10.0.0.22", upstream: "core0", downstream: ["lan0"], ports: [] },
  router32: { address: "10.0.0.32", upstream: "core0", downstream: ["lan0"], ports: [] },
};

/** Where each LAN is reached from the core. */
const LANS = {
  "10.41.0.0/24": "10.0.0.42",
  "10.12.0.0/24": "10.0.0.12",
  "10.22.0.0/24": "10.0.0.22",
  "10.32.0.0/24": "10.0.0.32",
};

/**
 * Attaches a place to the core LAN, with a route to every LAN that is not its own.
 * @param {Network} network
 * @param {Namespace} core
 * @param {Namespace} at
 * @param {string} name of the interface
 * @param {string} address
 */
function attachToCore(network, core, at, name, address) {
  network.cable(
    { at, name, address: `${address}/24` },
    { at: core, name: at.name.replace(/^scl\d+-/, ""), bridge: "lan0" },
  );
  for (const [lan, via] of Object.entries(LANS)) if (via !== address) at.ip("route", "add", lan, "via", via);
}

/**
 * A set-top (or the headend) on its router's link.
 * @param {Network} network
 * @param {Namespace} at
 * @param {string} address
 * @param {Namespace} router
 * @param {Port} port the router's end
 */
function attachHost(network, at, address, router, port) {
  network.cable({ at, name: "eth0", address: `${address}/24` }, { at: router, ...port });
  at.ip("route", "add", "default", "via", address.replace(/\.\d+$/, ".1"));
}

/**
 * @template T
 * @param {(name: PlaceName) => T} place
 * @returns {Record<PlaceName, T>}
 */
export const placesOf = (place) =>
  /** @type {Record<PlaceName, T>} */ (Object.fromEntries(PLACES.map((name) => [name, place(name)])));

/**
 * Makes the namespaces and their links, unicast routes included.
 * @param {Network} network
 * @returns {Record<PlaceName, Namespace>}
 */
export function figureTwo(network) {
  const core = network.namespace("core");
  // A plain switch: every port of the core carries what any of its routers asked for.
  network.bridge(core, "lan0", { snooping: false });

  const control = network.namespace("control");
  attachToCore(network, core, control, "eth0", ADDRESS.control);

  const router = (/** @type {RouterName} */ name) => {
    const at = network.namespace(name);
    at.set({ "net/ipv4/ip_forward": 1 });
    attachToCore(network, core, at, "core0", ROUTERS[name].address);
    return at;
  };
  const host = (/** @type {HostName} */ name, /** @type {Namespace} */ behind, /** @type {Port} */ port) => {
    const at = network.namespace(name);
    attachHost(network, at, ADDRESS[name], behind, port);
    return at;
  };

  const router42 = router("router42");
  const headend = host("headend", router42, { name: "up0", address: "10.41.0.1/24" });
  const router12 = router("router12");
  network.bridge(router12, "br0", { address: "10.12.0.1/24" });
  const settop11 = host("settop11", router12, { name: "lan11", bridge: "br0" });
  const settop13 = host("settop13", router12, { name: "lan13", bridge: "br0" });
  const router22 = router("router22");
  const settop21 = host("settop21", router22, { name: "lan0", address: "10.22.0.1/24" });
  const router32 = router("router32");
  const settop31 = host("settop31", router32, { name: "lan0", address: "10.32.0.1/24" });
  return { core, control, headend, router42, router12, router22, router32, settop11, settop13, settop21, settop31 };
}
