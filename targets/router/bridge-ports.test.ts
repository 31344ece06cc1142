import assert from "node:assert/strict";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { ANY_SOURCE, NO_SOURCE, type SourceFilter } from "../../core/igmp/filter.ts";
import type { BridgeTable, BridgeTableOptions } from "../../core/ports/bridge-table.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Link } from "../../core/ports/links.ts";
import type { RouterEffect } from "../../core/router/options.ts";
import { SimulatedBridges } from "../../hal/bridge/simulated.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { createLogger } from "../shared/log.ts";
import { BridgePorts } from "./bridge-ports.ts";
import { CHANNEL, simulatedRouter } from "./simulated.testkit.ts";

const [SOURCE, GROUP] = [address("10.0.0.2"), address("239.1.1.1")];

const membership = (port: string, filter: SourceFilter) =>
  ({ kind: "port-membership", name: "br0", port, group: GROUP, filter }) as const;

const link = (name: string, index: number, more: Partial<Link> = {}): Link => ({
  ...{ name, index, up: true, addresses: [], ports: ["a", "b", "c"] },
  ...more,
});

/** br0 with a, b and c, the last a router's; hosts answer within 10 s. */
function bench() {
  const clock = new SimulatedClock();
  const tables = new SimulatedBridges({ br0: ["a", "b", "c"] });
  const [deaf, asked, confirmed] = [new Set<string>(), [] as number[], [] as number[]];
  const [found, told] = [[] as string[], [] as string[]];
  let known: readonly RouterEffect[] = [];
  let refused: HalError | undefined;
  let asks = true;
  const log = createLogger({ level: "silent", format: "json", toStderr: true }, "router", "r");
  const open = (bridge: string, options?: BridgeTableOptions): BridgeTable => {
    if (refused !== undefined) throw refused;
    const table = tables.open(bridge, options);
    const confirm = (): void => void confirmed.push(Number(clock.now()));
    const own: Partial<BridgeTable> = { confirm, routersFound: () => found };
    return new Proxy(table, {
      get: (target, name) => Reflect.get(own, name) ?? Reflect.get(target, name).bind(target),
    });
  };
  const ports = new BridgePorts(
    {
      clock,
      log,
      tables: { open },
      memberships: () => known,
      ask: () => asked.push(Number(clock.now())),
      asks: () => asks,
      isDeaf: (_, port) => deaf.has(port),
      routers: (_, ports, routers) => told.push(`${ports.join("")}: ${routers.join("")}`),
      released: () => told.push("released"),
    },
    ["br0", "iptv"].map((name) => {
      return { name, routerPorts: ["c"], response: seconds(10), lifetime: seconds(260), silence: seconds(315) };
    }),
  );
  return {
    clock,
    ports,
    deaf,
    found,
    told,
    asked,
    confirmed,
    knows: (effects: readonly RouterEffect[]) => {
      known = effects;
    },
    refuses: (error: HalError | undefined) => {
      refused = error;
    },
    yields: () => {
      asks = false;
    },
    refused: () => [...(tables.tables.get("br0")?.refused ?? [])],
    /** The bridge itself takes who is there for a router, as it does whoever asks. */
    hearsRouter: (port: string) => tables.tables.get("br0")?.hearRouter(port),
    delivers: (table = "br0") => tables.tables.get(table)?.delivers(SOURCE, GROUP),
  };
}

test("a bridge that is in use gets what is known, with its routers' ports, and is given back at the end", () => {
  const { ports, delivers, knows } = bench();
  ports.apply(membership("a", ANY_SOURCE));
  assert.equal(delivers(), undefined, "not there yet");
  knows([membership("a", ANY_SOURCE)]);
  ports.follow(link("br0", 4));
  ports.follow(link("lan1", 4));
  assert.deepEqual(delivers(), ["a", "c"]);
  ports.apply(membership("b", ANY_SOURCE));
  ports.follow(link("br0", 4));
  assert.deepEqual(delivers(), ["a", "b", "c"], "the same bridge keeps what it has");
  knows([membership("a", ANY_SOURCE), membership("b", ANY_SOURCE)]);
  ports.changed("br0", ["a", "b", "c"]);
  assert.deepEqual(delivers(), ["a", "b", "c"]);
  knows([membership("a", ANY_SOURCE)]);
  ports.follow(link("br0", 5));
  assert.deepEqual(delivers(), ["a", "c"], "another of the name gets what the router knows now");
  ports.close();
  assert.equal(delivers(), undefined);
});

test("what is refused is the bridge's to refuse, whoever is deaf, until the port may have it; what is always there is not refused", () => {
  const { ports, deaf, delivers, refused } = bench();
  ports.follow(link("br0", 4));
  const refusal = (filter: SourceFilter) => ({ ...membership("a", filter), refused: true }) as const;
  deaf.add("a");
  ports.apply(membership("a", ANY_SOURCE));
  ports.apply(refusal(NO_SOURCE));
  assert.deepEqual([delivers(), refused()], [["c"], [`a ${GROUP}`]]);
  ports.apply(refusal(ANY_SOURCE));
  assert.deepEqual([delivers(), refused()], [["a", "c"], []]);
});

test("a VLAN of a bridge has a table of its own, and another one when the bridge begins or ceases to keep VLANs apart", () => {
  const { ports, delivers } = bench();
  const [tagged, untagged] = [
    { pvid: false, untagged: false },
    { pvid: true, untagged: true },
  ];
  const own = { vlan: 1, portVlans: { a: untagged, b: untagged } };
  ports.follow(link("br0", 4));
  ports.follow(link("br0", 4, own));
  ports.follow(link("iptv", 5, { bridge: "br0", vlan: 10, portVlans: { a: tagged } }));
  ports.apply({ ...membership("a", ANY_SOURCE), name: "iptv" });
  ports.apply(membership("b", ANY_SOURCE));
  assert.deepEqual([delivers(), delivers("br0.1"), delivers("br0.10")], [undefined, ["b", "c"], ["a", "c"]]);
  ports.close();
  assert.deepEqual([delivers("br0.1"), delivers("br0.10")], [undefined, undefined]);
});

test("once the bridge no longer floods all are asked again, and a predecessor's entries end when that is answered", () => {
  const { ports, clock, asked, confirmed } = bench();
  ports.follow(link("br0", 4));
  clock.run(seconds(60));
  assert.deepEqual([asked, confirmed], [[11_000], [22_000]]);
  ports.follow(link("br0", 5));
  ports.close();
  clock.run(seconds(60));
  assert.deepEqual([asked.length, confirmed.length], [1, 1], "nothing after the end");
});

test("while another router asks, a predecessor's entries stay until it has asked everybody", () => {
  const { ports, clock, confirmed, yields } = bench();
  yields();
  ports.follow(link("br0", 4));
  clock.run(seconds(300));
  assert.deepEqual(confirmed, [272_000]);
  ports.close();
});

test("a port whose tap is deaf keeps what it had until its hosts have been asked again", () => {
  const { ports, clock, deaf, delivers } = bench();
  ports.follow(link("br0", 4));
  for (const port of ["a", "b"]) ports.apply(membership(port, ANY_SOURCE));
  for (const port of ["a", "b"]) deaf.add(port);
  for (const port of ["a", "b"]) ports.apply(membership(port, NO_SOURCE));
  assert.deepEqual(delivers(), ["a", "b", "c"]);
  deaf.clear();
  ports.hearsAgain("br0");
  ports.hearsAgain("lan1");
  ports.apply(membership("b", ANY_SOURCE));
  clock.run(seconds(10));
  assert.deepEqual(delivers(), ["a", "b", "c"]);
  clock.run(seconds(2));
  assert.deepEqual(delivers(), ["b", "c"], "who has not answered is gone");
});

const routerPort = (port: string, present: boolean) => ({ kind: "router-port", name: "br0", port, present }) as const;

test("what the bridge takes for a router gives a port nothing; one that we hear does, as long as we hear it", () => {
  const { ports, delivers, hearsRouter } = bench();
  ports.changed("br0", ["a", "b", "c"]);
  ports.follow(link("br0", 4));
  hearsRouter("a");
  assert.deepEqual(delivers(), ["c"]);
  ports.apply(routerPort("a", true));
  assert.deepEqual(delivers(), ["a", "c"]);
  ports.apply(routerPort("a", false));
  assert.deepEqual(delivers(), ["c"]);
  ports.changed("br0", ["b", "c"]);
  assert.deepEqual(delivers(), ["a", "c"], "a port that has left is the bridge's own to judge");
  ports.close();
});

test("who speaks for the hosts is told the ports and the routers of a bridge that is kept, and when it is no more", () => {
  const { ports, told } = bench();
  ports.changed("br0", ["a", "c"]);
  ports.apply(routerPort("a", true));
  assert.deepEqual(told.splice(0), [], "not kept yet");
  ports.follow(link("br0", 4));
  ports.changed("br0", ["a", "b"]);
  ports.apply(routerPort("a", false));
  assert.deepEqual(told.splice(0), ["released", "ac: ac", "ab: a", "ab: "]);
  ports.close();
  assert.deepEqual(told, ["released"]);
});

test("a router that falls silent while its port is deaf keeps it, until it has had the time to be heard again", () => {
  const { ports, clock, deaf, delivers } = bench();
  ports.changed("br0", ["a", "b", "c"]);
  ports.follow(link("br0", 4));
  for (const port of ["a", "b"]) ports.apply(routerPort(port, true));
  for (const port of ["a", "b"]) deaf.add(port);
  for (const port of ["a", "b"]) ports.apply(routerPort(port, false));
  clock.run(seconds(1000));
  assert.deepEqual(delivers(), ["a", "b", "c"]);
  deaf.clear();
  ports.hearsAgain("br0");
  clock.run(seconds(100));
  ports.apply(routerPort("b", true));
  clock.run(seconds(160));
  assert.deepEqual(delivers(), ["a", "b", "c"]);
  clock.run(seconds(2));
  assert.deepEqual(delivers(), ["b", "c"]);
  ports.close();
});

test("on a bridge whose ports we do not hear it is the bridge that finds routers", () => {
  const { ports, delivers, hearsRouter } = bench();
  ports.follow(link("br0", 4));
  hearsRouter("a");
  assert.deepEqual(delivers(), ["a", "c"]);
  ports.close();
});

test("a router that the bridge knew before us keeps its port for a group membership interval", () => {
  const { ports, clock, delivers, found } = bench();
  found.push("a", "b");
  ports.changed("br0", ["a", "b", "c"]);
  ports.follow(link("br0", 4));
  clock.run(seconds(30));
  ports.apply(routerPort("b", true));
  clock.run(seconds(230));
  assert.deepEqual(delivers(), ["a", "b", "c"]);
  clock.run(seconds(2));
  assert.deepEqual(delivers(), ["b", "c"]);
  ports.close();
});

test("a bridge whose table may not be had goes on as it is, and status says why", () => {
  const { ports, refuses } = bench();
  refuses(new HalError("bridge.permission", "not permitted"));
  assert.deepEqual(ports.status("br0"), { state: "waiting", counts: undefined, perPort: [] });
  ports.follow(link("br0", 4));
  ports.apply(membership("a", ANY_SOURCE));
  assert.deepEqual(ports.status("br0"), { state: "bridge.permission", counts: undefined, perPort: [] });
  refuses(undefined);
  ports.follow(link("br0", 4));
  const group = { group: GROUP, filter: ANY_SOURCE, requested: [], mode: 3, groupTimer: undefined } as const;
  assert.deepEqual(ports.status("br0", [{ port: "c", router: false, groups: [group] }]), {
    state: "kept",
    counts: {},
    perPort: [{ port: "c", router: true, groups: [{ group: "239.1.1.1", mode: "exclude", sources: [] }] }],
  });
  assert.equal(ports.status("lan1"), undefined);
  ports.close();
});

test("in a whole router a port gets what its host asked for, and the bridge has nothing of it after the stop", async () => {
  const bridges = new SimulatedBridges({ "br-lan": ["lan1", "lan2"] });
  const { a, b, run, service } = await simulatedRouter({
    downstream: { snooping: true, routerPorts: ["lan2"] },
    platform: () => ({ bridges }),
  });
  const delivers = (): readonly string[] | undefined => bridges.tables.get("br-lan")?.delivers(SOURCE, CHANNEL);
  assert.deepEqual(delivers(), ["lan2"], "a router's");
  a.join();
  run(1);
  assert.deepEqual(delivers(), ["lan1", "lan2"]);
  b.join();
  run(1);
  a.leave();
  run(3);
  assert.deepEqual(delivers(), ["lan2"]);
  const [lan] = service.status().interfaces;
  assert.deepEqual(
    lan?.snooping?.perPort.map(({ port, router, groups }) => [port, router, groups.map(({ group }) => group)]),
    [
      ["lan1", false, []],
      ["lan2", true, ["239.255.77.1"]],
    ],
  );
  const stopped = service.stop();
  assert.equal(delivers(), undefined);
  run(1);
  await stopped;
});
