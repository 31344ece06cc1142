// When hosts' reports are kept within a bridge, and what a whole router then says by which port.
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatIpv4 } from "../../core/base/ipv4.ts";
import { type Duration, seconds } from "../../core/base/time.ts";
import { checkPacket, senderOf } from "../../core/igmp/messages/packet.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Link } from "../../core/ports/links.ts";
import type { KeptPort, ReportFilterListener, ReportFilters } from "../../core/ports/report-filter.ts";
import { SimulatedBridges } from "../../hal/bridge/simulated.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SimulatedPortSender } from "../../hal/port-sender/simulated.ts";
import { SimulatedReportFilters } from "../../hal/report-filter/simulated.ts";
import { createLogger } from "../shared/log.ts";
import { ProxyReporting } from "./proxy-reporting.ts";
import { CHANNEL, simulatedRouter } from "./simulated.testkit.ts";
import { warningsOf } from "./warnings.ts";

const text = ({ port, vlan }: KeptPort): string =>
  vlan === undefined ? port : `${port}.${vlan.id}${vlan.untagged ? " untagged" : ""}`;

/** br0, on which routers ask every 60 s, and hosts are known within 2; what the filter and the machine are told, with the second. */
function bench(queryInterval: Duration = seconds(60)) {
  const clock = new SimulatedClock();
  const said: string[] = [];
  const note = (text: string): void => void said.push(`${Number(clock.now()) / 1000} ${text}`);
  let listener: ReportFilterListener | undefined;
  const filters: ReportFilters = {
    open({ bridge, vlan }, its) {
      listener = its;
      note(`open ${bridge} ${vlan}`);
      return {
        keep: (ports, span) => note(`keep ${ports.map(text).join()} ${span / 1000}`),
        close: async () => note("close"),
      };
    },
  };
  const log = createLogger({ level: "silent", format: "json", toStderr: true }, "router", "r");
  const speakAt = (name: string, ports: readonly string[] | undefined) =>
    note(`speak ${name} ${ports?.join() ?? "no"}`);
  let link: Pick<Link, "vlan" | "portVlans"> | undefined;
  const [lan, settling] = [() => link, () => seconds(2)];
  const platform = { clock, log, filters, speakAt, lan, queryInterval: () => queryInterval, settling };
  return {
    clock,
    proxy: new ProxyReporting(platform, [{ name: "br0", vlan: 10 }]),
    carries: (its: typeof link) => {
      link = its;
    },
    inForce: () => listener?.inForce(),
    fails: (code: string) => listener?.failed(new HalError(code, "it fails")),
    /** What was said since the last time. */
    said: () => said.splice(0),
  };
}

test("routers are told at once, and reports kept from them when all hosts have been heard, by thirds of half a minute", () => {
  const { proxy, clock, inForce, said } = bench();
  assert.equal(proxy.state("br0"), "no router");
  proxy.follow("br0", ["a", "r"], ["r"]);
  proxy.follow("br1", ["a", "r"], ["r"]);
  clock.run(seconds(1));
  proxy.follow("br0", ["a", "b", "r"], ["r"]);
  assert.deepEqual(said(), ["0 open br0 10", "0 speak br0 r", "1 speak br0 r"]);
  assert.deepEqual([proxy.state("br0"), proxy.state("br1")], ["starting", undefined]);
  clock.run(seconds(1));
  inForce();
  assert.deepEqual([said(), proxy.state("br0")], [["2 keep a,b,r 30", "2 speak br0 r"], "in force"]);
  proxy.follow("br0", ["a", "b", "r"], ["a", "r"]);
  proxy.follow("br0", ["a", "r"], ["r"]);
  assert.deepEqual(said(), ["2 speak br0 a,r", "2 speak br0 r", "2 keep a,r 30"]);
  clock.run(seconds(25));
  assert.deepEqual(said(), ["12 keep a,r 30", "22 keep a,r 30"]);
});

test("where the bridge keeps VLANs apart, the filter is told how its ports carry this one, as it is now", () => {
  const { proxy, clock, carries, said } = bench();
  const [access, trunk] = [
    { pvid: true, untagged: true },
    { pvid: false, untagged: false },
  ];
  carries({ vlan: 20, portVlans: { a: access, r: trunk } });
  proxy.follow("br0", ["a", "r"], ["r"]);
  clock.run(seconds(2));
  assert.equal(said().at(-1), "2 keep a.20 untagged,r.20 30");
  carries({ vlan: 20, portVlans: { a: trunk, r: trunk } });
  clock.run(seconds(10));
  assert.equal(said().at(-1), "12 keep a.20,r.20 30");
});

test("where routers ask every 3 s, who is killed keeps reports from them no longer than that", () => {
  const { proxy, clock, said } = bench(seconds(3));
  proxy.follow("br0", ["a", "r"], ["r"]);
  clock.run(seconds(4.5));
  assert.deepEqual(said().slice(2), ["2 keep a,r 3", "3 keep a,r 3", "4 keep a,r 3"]);
});

test("without a router, or once nobody hears the hosts, nothing is kept", async () => {
  const { proxy, clock, inForce, said } = bench();
  proxy.follow("br0", ["a", "r"], []);
  assert.deepEqual(said(), []);
  const ends = [() => proxy.follow("br0", ["a", "r"], []), () => proxy.leave("br0"), () => void proxy.close()];
  for (const settled of [0, 3])
    for (const end of ends) {
      proxy.follow("br0", ["a", "r"], ["r"]);
      clock.run(seconds(settled));
      if (settled > 0) inForce();
      said();
      end();
      clock.run(seconds(100));
      const after = said().map((one) => one.replace(/^\S+ /, ""));
      assert.deepEqual([after, proxy.state("br0")], [["speak br0 no", "close"], "no router"]);
    }
  await proxy.close();
});

test("a filter that fails leaves the hosts to the routers until it is in force again, as it is tried all the time", () => {
  const { proxy, clock, inForce, fails, said } = bench();
  proxy.follow("br0", ["a", "r"], ["r"]);
  clock.run(seconds(2));
  said();
  fails("report-filter.refused");
  assert.deepEqual([said(), proxy.state("br0")], [["2 speak br0 no"], "report-filter.refused"]);
  proxy.follow("br0", ["a", "r"], ["r", "a"]);
  clock.run(seconds(12));
  assert.deepEqual(said(), ["12 keep a,r 30"]);
  inForce();
  assert.deepEqual([said(), proxy.state("br0")], [["14 speak br0 r,a"], "in force"]);
});

/** Host a on port lan1, a router on lan2; `heard` is what came by lan2, and by lan1, in words. */
async function proxied() {
  const bridges = new SimulatedBridges({ "br-lan": ["lan1", "lan2"] });
  const all = await simulatedRouter({
    downstream: { proxyReporting: true },
    entries: { forwarding: "bridge" },
    platform: (_forwarding, _taps, clock, node) => ({
      forwarding: undefined,
      bridges,
      reportFilters: new SimulatedReportFilters(clock, node),
      portSender: new SimulatedPortSender(node),
    }),
  });
  const heard = { lan1: [] as string[], lan2: [] as string[] };
  for (const port of ["lan1", "lan2"] as const)
    all.overhear(port, (bytes) => {
      const packet = checkPacket(bytes);
      if (typeof packet !== "string") heard[port].push(`${packet.kind} ${formatIpv4(senderOf(packet))}`);
    });
  const since = (port: "lan1" | "lan2") => heard[port].splice(0);
  return { ...all, since, lan: () => all.service.status().interfaces[0]?.snooping?.proxied };
}

test("in a whole router: the router behind a port hears us in place of the host, and no report by the host's port", async () => {
  const { a, run, idle, otherQuerier, since, lan, service, why } = await proxied();
  idle(1);
  otherQuerier("10.2.0.200");
  // Its question is answered, with nothing.
  idle(6);
  for (const port of ["lan1", "lan2"] as const) since(port);
  a.join();
  run(3);
  assert.deepEqual(since("lan2"), ["v3Report 0.0.0.0", "v3Report 0.0.0.0"]);
  assert.ok(
    since("lan1").every((one) => one === "v3Report 10.2.0.11"),
    "its own alone",
  );
  const told = lan();
  assert.deepEqual(
    [
      told?.state,
      told?.counts,
      told?.perPort.map(({ port, version, asks, groups, sent }) => [port, version, asks, groups, sent.total]),
    ],
    ["in force", {}, [["lan2", 3, true, [{ group: formatIpv4(CHANNEL), mode: "exclude", sources: [] }], 2]]],
  );
  assert.deepEqual(warningsOf(service.status()), []);
  const answer = await why(formatIpv4(CHANNEL), "10.2.0.11");
  assert.ok(
    answer.sentences.includes("In place of the hosts, routers are asked for 239.255.77.1 by lan2 (IGMPv3, it asks)."),
  );
  a.leave();
  run(3);
  assert.deepEqual(since("lan2"), ["v3Report 0.0.0.0", "v3Report 0.0.0.0"]);
  assert.deepEqual(lan()?.perPort[0]?.groups, []);
  otherQuerier("10.2.0.200", 2);
  idle(1);
  a.join();
  run(1);
  assert.equal(lan()?.perPort[0]?.version, 2);
  const stopped = service.stop();
  since("lan2");
  run(1);
  await stopped;
  assert.deepEqual(since("lan2"), [], "no leave");
});

test("a router that is silent, and a bridge without an address: hosts' reports cross again, and a warning says of the first", async () => {
  const { a, bridge, idle, otherQuerier, since, lan, service } = await proxied();
  idle(1);
  otherQuerier("10.2.0.200");
  idle(1);
  a.join();
  idle(2);
  bridge.setUp(false);
  assert.equal(lan()?.state, "no router");
  bridge.setUp(true);
  idle(3);
  assert.equal(lan()?.state, "in force");
  idle(60);
  assert.equal(lan()?.state, "no router");
  assert.deepEqual(service.status().warnings, [
    "br-lan: no router is known behind its ports, so that nobody is told what its hosts want (`routerPorts`)",
  ]);
  since("lan2");
  a.leave();
  idle(1);
  assert.ok(since("lan2").includes("v3Report 10.2.0.11"));
});
