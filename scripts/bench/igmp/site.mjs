// Where a router is measured: the source's network, the router, and two LANs full of hosts, each a namespace or a cable of its own.
import { command, succeeds } from "../../lab/command.mjs";
import { ask } from "../../lab/waiting.mjs";
import { LoadGenerator } from "./load.mjs";

/** The router's interfaces. */
export const UPSTREAM = "up0";
export const DOWNSTREAMS = ["lan0", "lan1"];
export const ADDRESSES = { [UPSTREAM]: "10.50.0.254", lan0: "10.60.0.254", lan1: "10.61.0.254" };
/** Every group of the tester. */
export const GROUPS = "239.50.0.0/16";
/** As in load.c: a host that answers no ARP. */
const UNICAST = ["10.60.0.9", "lladdr", "02:00:60:ff:00:09", "dev", "lan0", "nud", "permanent"];

const ROUTER_SETTINGS = {
  "net/ipv4/ip_forward": 1,
  // igmpproxy asks upstream with one socket, which else joins 20 groups.
  "net/ipv4/igmp_max_memberships": 100_000,
};

/** Ends all processes of a namespace, those too that one of them starts meanwhile. @param {import("../../lab/network.mjs").Namespace} place */
export function emptied(place) {
  const none = () => {
    const left = command("ip", ["netns", "pids", place.name]).split("\n").filter(Boolean);
    for (const pid of left) succeeds("kill", ["-9", pid]);
    return left.length === 0 || undefined;
  };
  return ask(`${place.name} to be empty`, none, { every: 20 });
}

/** Three namespaces for one router, empty of processes; they are their run's, which ends and removes everything. */
export class Site {
  /**
   * @param {import("../../lab/run.mjs").Run} run
   * @param {string} name of the router
   * @param {string} tester the program of load.mjs
   */
  constructor(run, name, tester) {
    this.run = run;
    this.name = name;
    const { network } = run;
    this.source = network.namespace(`source-${name}`);
    this.router = network.namespace(`router-${name}`);
    this.lan = network.namespace(`lan-${name}`);
    this.load = new LoadGenerator(this, tester);
    this.router.set(ROUTER_SETTINGS);
    network.cable(
      { at: this.source, name: "eth0", address: "10.50.0.1/24" },
      { at: this.router, name: UPSTREAM, address: `${ADDRESSES[UPSTREAM]}/24` },
    );
    network.cable(
      { at: this.router, name: "lan0", address: `${ADDRESSES.lan0}/16` },
      { at: this.lan, name: "eth0", address: "10.60.0.10/16" },
    );
    network.cable(
      { at: this.router, name: "lan1", address: `${ADDRESSES.lan1}/16` },
      { at: this.lan, name: "eth1", address: "10.61.0.10/16" },
    );
    this.source.ip("route", "add", "default", "via", ADDRESSES[UPSTREAM]);
    this.router.ip("neighbour", "add", ...UNICAST);
  }

  /** Ends what a router has left behind: a child that holds its routing socket would keep the next one out. */
  clear() {
    return emptied(this.router);
  }

  up() {
    return ask("every cable to be up", () => this.#isUp() || undefined, { every: 20 });
  }

  /** The kernel says so up to a second after both ends were set up. */
  #isUp() {
    const places = [this.source, this.router, this.lan];
    const links = places.flatMap((place) => JSON.parse(place.ip("-json", "link", "show", "type", "veth")));
    return links.every((link) => link.operstate === "UP");
  }
}
