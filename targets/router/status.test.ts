// What status says: the counters of the RFCs by interface and bridge port, warnings, and that the reference names every field.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { address } from "../../core/base/ipv4.ts";
import type { PolicyState } from "../../core/control/messages.ts";
import { tagged } from "../../core/igmp/igmp.testkit.ts";
import type { FrameTaps } from "../../core/ports/frame-tap.ts";
import { SimulatedBridges } from "../../hal/bridge/simulated.ts";
import { SimulatedEnforcement } from "../../hal/enforcement/simulated.ts";
import { SimulatedPortSender } from "../../hal/port-sender/simulated.ts";
import { SimulatedReportFilters } from "../../hal/report-filter/simulated.ts";
import type { RouterPlatform } from "./service.ts";
import { CONNECTED, simulatedRouter } from "./simulated.testkit.ts";
import type { RouterStatus } from "./status.ts";
import { statusText } from "./status-text.ts";
import { warningsOf } from "./warnings.ts";

test("messages are counted by kind on the interface, and by bridge port where they came in (RFC 8652, RFC 9166)", async () => {
  const { a, b, run, idle, otherQuerier, service } = await simulatedRouter();
  a.join();
  run(1);
  b.join();
  run(1);
  a.leave();
  run(3);
  b.wire.setUp(false);
  idle(120);
  otherQuerier("10.2.0.200");
  idle(1);
  const [lan] = service.status().interfaces;
  assert.ok(lan);
  const { received, sent, error } = lan.statistics;
  assert.equal(received["v3-query-general"], 1, "of the other querier, which did not win");
  assert.equal(received.query, 1);
  assert.equal(received.total, received.report + received.query);
  assert.ok(received.report >= 3 && received["v3-report"] === received.report);
  assert.ok((sent["v3-query-general"] ?? 0) >= 6 && (sent["v3-query-specific"] ?? 0) >= 1);
  assert.deepEqual(error, { total: 0, checksum: 0, "too-short": 0 });
  assert.equal(lan.statistics["discontinuity-time"], "2026-01-01T00:00:00.000Z");
  assert.deepEqual(lan.counts, { joins: 2, leaves: 1, timeouts: 1, revocations: 0, zaps: 0, groupJoins: 1 });
  const ports = Object.entries(lan.ports).map(([port, { received: heard }]) => [port, heard.query, heard.leave]);
  assert.deepEqual(ports, [
    ["lan1", 0, 0],
    ["lan2", 1, 0],
  ]);
  const byPort = (lan.ports.lan1?.received.report ?? 0) + (lan.ports.lan2?.received.report ?? 0);
  assert.equal(byPort, received.report);
  const upstream = service.status().upstream;
  assert.ok((upstream?.statistics.sent["v3-report"] ?? 0) >= 2, "our host part's joins");
});

test("a query upstream is counted there, and a zap where it happens", async () => {
  const { a, run, service } = await simulatedRouter();
  a.join();
  run(1);
  a.leave();
  a.join(address("239.255.77.2"));
  run(1);
  assert.equal(service.status().interfaces[0]?.counts.zaps, 1);
  assert.equal(service.status().upstream?.statistics.received.total, 0);
});

/** A status in which all is well, for a few of its fields to be changed. */
async function healthy(): Promise<RouterStatus> {
  const { a, run, service } = await simulatedRouter();
  a.join();
  run(2);
  return service.status();
}

test("all is well: no warning", async () => {
  assert.deepEqual((await healthy()).warnings, []);
});

test("each thing that is wrong is a warning, the gravest first", async () => {
  const status = await healthy();
  const [lan] = status.interfaces;
  assert.ok(lan);
  const wrong: RouterStatus = {
    ...status,
    interfaces: [
      {
        ...lan,
        querier: { state: "non-querier", address: "10.2.0.2", mac: "02:00:00:00:00:09", port: "lan2", refused: 3 },
        taps: { lan1: "listening", lan2: "tap.child-died", lan3: "starting" },
        snooping: { state: "bridge.permission", perPort: [] },
        drops: { "igmp.query-off-subnet": 3, "igmp.query-length": 1 },
        lost: { packets: 7, frames: 8 },
        guarded: false,
        maxGroups: lan.groups.length,
        newHosts: [
          { port: "lan3", waiting: 7 },
          { port: undefined, waiting: 2 },
        ],
      },
      {
        ...lan,
        name: "lan8",
        maxGroups: 2 * lan.groups.length,
        newHosts: [{ waiting: 1 }],
        snoops: true,
        staticGroups: [{ group: "239.1.1.1" }, { group: "239.1.1.2" }],
      },
      { ...lan, name: "lan9", up: false, snooping: { state: "waiting", perPort: [] } },
    ],
    intruders: [
      {
        interface: "br-lan",
        source: "10.1.0.2",
        mac: "02:00:00:00:00:08",
        group: "239.255.77.1",
        expected: "wan",
        times: 2,
      },
    ],
    enforce: { stands: false, cards: 1, permitted: 1, ports: "enforcement.lost" },
    control: {
      ...CONNECTED,
      brokerFault: "nobody listens",
      waiting: 7,
      evidence: "evidence.disk-full",
      drops: { "report.queue-full": 9, "report.stale": 1 },
    },
    lostUpcalls: 5,
    drivers: {
      igmp: { driver: "raw-socket", passedOver: { packet: "igmp.native-missing" }, lacks: "MACs" },
      tap: { driver: "cap", passedOver: { packet: "the configuration wants cap" }, lacks: "counts" },
    },
  };
  assert.deepEqual(warningsOf(wrong), [
    "lan9 is not in use: it is waited for",
    "the bridge ports are not guarded as they should be (enforcement.lost): it is tried again",
    "no word of control stands on who may receive: `enforce.afterwards` decides",
    "control is not reached, and 7 of evidence wait: nobody listens",
    "evidence is not kept on the disk: a restart would lose it (evidence.disk-full)",
    "9 changes of evidence waited for so long that only their number is left",
    "br-lan has no bridge ports that could be guarded: what one host there may have, all get",
    "br-lan: no room for groups (1): nobody gets one that is not there yet",
    "lan8: 1 of 2 groups are there: the rest is kept for hosts that bring few",
    "br-lan: 9 new hosts wait to be let in, 7 behind port lan3",
    "lan8: 1 new hosts wait to be let in",
    "br-lan: the querier election is lost to 10.2.0.2 (02:00:00:00:00:09, port lan2)",
    "br-lan: 3 queries of somebody who may not ask there (igmp.query-off-subnet)",
    "br-lan: 10.1.0.2 (02:00:00:00:00:08) sends under an address that is not of this interface, told 2 times; it is expected from wan",
    "5 questions of the kernel about new streams were lost in its queue",
    "br-lan: 7 IGMP packets were lost in the kernel's queue",
    "br-lan: 8 frames of its bridge ports were lost in the kernel's queue",
    "br-lan: nothing is heard from bridge port lan2 (tap.child-died)",
    "br-lan: its bridge ports get what the bridge gives them, not what each asked for (bridge.permission)",
    "lan8: the bridge snoops by itself, and gives the static group 239.1.1.1 and 1 more only to ports that ask (`downstreams.snooping`)",
    "igmp is served by raw-socket: packet did not load (igmp.native-missing); what it lacks: MACs",
  ]);
});

test("static groups of a bridge that floods, or whose ports are kept, are no reason to warn", async () => {
  const status = await healthy();
  const [lan] = status.interfaces;
  assert.ok(lan);
  const statics = { ...lan, staticGroups: [{ group: "239.1.1.1" }] };
  for (const one of [
    { ...statics, snoops: false },
    { ...statics, snoops: true, snooping: { state: "kept", perPort: [] } },
  ])
    assert.deepEqual(warningsOf({ ...status, interfaces: [one] }), []);
});

test("the table for a person: warnings first, numbers to the right, no line wider than the screen, text from outside harmless", async () => {
  const status = await healthy();
  const [lan] = status.interfaces;
  const [host] = lan?.hosts ?? [];
  assert.ok(lan && host);
  const hosts = Array.from({ length: 50 }, (_, i) => ({ ...host, host: `10.2.0.${i}`, port: "\u001b[2Jport" }));
  const shown = { id: "r", uptime: 7260, ...status, interfaces: [{ ...lan, hosts }], warnings: ["x ".repeat(100)] };
  const lines = statusText(shown, 80).split("\n");
  assert.match(lines[0] ?? "", /^router r : running, up 2 h 1 min$/);
  assert.match(lines[1] ?? "", /^! x x/);
  assert.match(lines[2] ?? "", /^ {2}x x/);
  assert.deepEqual(
    lines.filter((line) => line.length > 80 || /[^ -~…]/.test(line)),
    [],
  );
  assert.ok(lines.some((line) => line.startsWith("and 10 more; --json has all")));
  assert.ok(lines.some((line) => line.includes("\\u001b[2Jport")));
  const at = lines.findIndex((line) => line.startsWith("DROPPED"));
  assert.equal(at, -1, "an empty table is left out");
});

/** Every path of the object; an element of a list has no step of its own, a name of a record that is counted by name is "*". */
function pathsOf(value: unknown, path: string): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((one) => pathsOf(one, path));
  if (typeof value !== "object" || value === null) return [path];
  if (Object.keys(value).length === 0) return [path];
  const named = BY_NAME.test(path);
  return Object.entries(value).flatMap(([name, part]) =>
    part === undefined ? [] : pathsOf(part, path === "" ? name : `${path}.${named ? "*" : name}`),
  );
}
const BY_NAME = /(^|\.)(heard|drops|messages|taps|ports|received|sent|drivers|passedOver)$|^upstream\.counts$/;

const reference = [...readFileSync("docs/status.md", "utf8").matchAll(/^\| (`[^|]*`) \|/gm)]
  .flatMap(([, cells = ""]) => [...cells.matchAll(/`([^`]+)`/g)].map(([, field = ""]) => field))
  .filter((field) => /^[a-zA-Z]+(\.[a-zA-Z-]+)*$/.test(field));

/** What the ports of a VLAN's trunk hear. */
const taggedTaps = (taps: FrameTaps, vlan: number): FrameTaps => ({
  open: (name, listener) =>
    taps.open(name, {
      frame: (bytes) => listener.frame(tagged(bytes, vlan)),
      resumed: () => listener.resumed(),
      interrupted: (error) => listener.interrupted(error),
    }),
});

/** What control gives: more than the file's bound. */
const GIVEN = {
  rules: [{ action: "deny", groups: ["239.9.9.9"] }],
  downstreams: [{ interface: "br-lan", maxGroups: 9000 }],
};

test("docs/status.md has every field of a router to which much has happened, and no other", async () => {
  const membershipReports = {
    add() {},
    refused() {},
    inquire() {},
    policy({ revision, refused }: PolicyState, heard: (revision: number, text: string) => void) {
      if (revision === 0) heard(5, JSON.stringify(GIVEN));
      else if (refused === undefined) heard(6, '{"rules":[{"action":"deny","interface":"eth9"}]}');
    },
    status: () => ({ ...CONNECTED, brokerFault: "none answers" }),
    close: async () => {},
  };
  const { a, b, run, otherQuerier, service, forgeFromLan, strangers } = await simulatedRouter({
    downstream: {
      vlan: 7,
      maxGroupsPerHost: 1,
      maxGroups: 16,
      newHostsPerMinute: 1,
      snooping: true,
      proxyReporting: true,
      bandwidth: 100_000,
      portBandwidth: 50_000,
      deny: ["239.255.77.5"],
      staticGroups: [{ group: "239.255.77.7", sources: ["10.1.0.2"] }],
    },
    entries: {
      bandwidth: { otherChannels: 1000 },
      enforce: { groups: ["239.9.0.0/16"], afterwards: "open" },
      broker: { url: "mqtt://127.0.0.1" },
      identity: "router.identity",
      reception: { id: "reception", publicKey: "01".repeat(32) },
    },
    platform: (_forwarding, taps, clock, node) => ({
      taps: taggedTaps(taps, 7),
      reportFilters: new SimulatedReportFilters(clock, node),
      portSender: new SimulatedPortSender(node),
      enforcement: new SimulatedEnforcement(clock),
      bridges: new SimulatedBridges({ "br-lan": ["lan1", "lan2"] }),
      drivers: { igmp: { driver: "x", passedOver: { packet: "y" }, lacks: "z" } },
      origins: {
        find(_name, _source, _group, found) {
          found({ mac: "02:00:00:00:00:09", port: "lan2" });
          return () => {};
        },
      },
      membershipReports: membershipReports as unknown as RouterPlatform["membershipReports"],
    }),
  });
  // Until everybody has been heard nobody is new.
  run(261);
  a.join(address("232.1.1.1"), address("10.1.0.2"));
  b.join();
  run(1);
  a.join(address("239.255.77.2"));
  a.join(address("239.255.77.5"));
  run(1);
  otherQuerier("10.2.0.2");
  run(1);
  forgeFromLan(address("239.255.77.3"));
  run(39);
  strangers(0, 12);
  run(0.1);
  const fields = new Set(pathsOf(service.status(), "").map((path) => path.replaceAll(".*", "")));
  const verdicts = /^(delivered|left|refused|denied|inbound)$/;
  assert.deepEqual(
    [...fields].filter((field) => !reference.includes(field)),
    [],
    "not documented",
  );
  assert.deepEqual(
    reference.filter((field) => !fields.has(field) && !verdicts.test(field)),
    [],
    "documented, and not there",
  );
});
