import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { HalError } from "../../core/ports/errors.ts";
import { SimulatedBridges } from "../../hal/bridge/simulated.ts";
import { SimulatedEnforcement } from "../../hal/enforcement/simulated.ts";
import { SimulatedPortSender } from "../../hal/port-sender/simulated.ts";
import { SimulatedReportFilters } from "../../hal/report-filter/simulated.ts";
import { listenForCollectors } from "./metrics-listener.ts";
import type { Control } from "./service.ts";
import { CONNECTED, simulatedRouter } from "./simulated.testkit.ts";

/** One line of a metric: name, labels, value. */
const LINE = /^([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)+)\})? (\d+(?:\.\d+)?(?:e[+-]\d+)?)$/;

test("the text is what Prometheus reads: HELP and TYPE once and before the values, counters end in _total, no series twice", async () => {
  const { a, run, otherQuerier, service } = await simulatedRouter();
  a.join();
  run(2);
  otherQuerier("10.2.0.2");
  run(1);
  const lines = service.metrics().split("\n");
  assert.equal(lines.pop(), "");
  const types = new Map<string, string>();
  const series = new Set<string>();
  for (const [i, line] of lines.entries()) {
    const [, help] = /^# HELP ([a-z_]+) [A-Z].+\.$/.exec(line) ?? [];
    const [, typed = "", type = ""] = /^# TYPE ([a-z_]+) (counter|gauge)$/.exec(line) ?? [];
    if (help !== undefined) assert.match(lines[i + 1] ?? "", new RegExp(`^# TYPE ${help} `));
    else if (typed !== "") {
      assert.ok(!types.has(typed), `${typed} twice`);
      assert.equal(type === "counter", typed.endsWith("_total"), line);
      types.set(typed, type);
    } else {
      const [, name = "", labels = ""] = LINE.exec(line) ?? assert.fail(line);
      assert.equal([...types.keys()].at(-1), name, "below its own HELP and TYPE");
      assert.match(name, /^(sealcast_igmp|process)_/);
      assert.ok(!series.has(`${name}{${labels}}`), line);
      series.add(`${name}{${labels}}`);
    }
  }
  const text = lines.join("\n");
  isDocumented(text);
  assert.match(text, /^sealcast_igmp_querier\{interface="br-lan"\} 0$/m);
  assert.match(text, /^sealcast_igmp_memberships\{interface="br-lan"\} 1$/m);
  assert.match(text, /^sealcast_igmp_received_messages_total\{interface="br-lan",message="v3-query-general"\} 1$/m);
  assert.match(
    text,
    /^sealcast_igmp_port_received_messages_total\{interface="br-lan",port="lan2",message="v3-query-general"\} 1$/m,
  );
  assert.match(text, /^sealcast_igmp_deliveries_total\{change="began"\} 1$/m);
});

/** Every metric of a text is in the reference, by its name. */
function isDocumented(text: string): void {
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);
  const reference = readFileSync("docs/status.md", "utf8");
  assert.deepEqual(
    names.filter((name) => !reference.includes(`\`${name}\``)),
    [],
  );
}

/** The values of one metric, by their labels as they stand there. */
const valuesOf = (text: string, name: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    [...text.matchAll(new RegExp(`^sealcast_igmp_${name}(?:\\{(.*)\\})? (\\S+)$`, "gm"))].map(
      ([, labels = "", value]) => [labels.replaceAll('"', ""), Number(value)],
    ),
  );

test("a bridge whose ports are kept, and routers that are told in place of its hosts", async () => {
  const { a, run, otherQuerier, service } = await simulatedRouter({
    downstream: { snooping: true, proxyReporting: true },
    platform: (_forwarding, _taps, clock, node) => ({
      reportFilters: new SimulatedReportFilters(clock, node),
      portSender: new SimulatedPortSender(node),
      bridges: new SimulatedBridges({ "br-lan": ["lan1", "lan2"] }),
    }),
  });
  run(1);
  otherQuerier("10.2.0.2");
  run(5);
  a.join();
  run(2);
  const text = service.metrics();
  isDocumented(text);
  const of = (name: string) => valuesOf(text, name);
  const port = "interface=br-lan,port=lan2";
  assert.deepEqual(
    [of("snooping_kept"), of("proxy_reporting")],
    [{ "interface=br-lan": 1 }, { "interface=br-lan": 1 }],
  );
  assert.deepEqual(
    [of("proxy_asked"), of("proxy_groups"), of("proxy_refreshes_total")],
    [{ [port]: 1 }, { [port]: 1 }, { [port]: 0 }],
  );
  assert.ok((of("port_sent_messages_total")[`${port},message=v3-report`] ?? 0) > 0);
  assert.deepEqual([of("upstream_groups"), of("groups_limit")], [{ "interface=wan": 1 }, { "interface=br-lan": 4096 }]);
});

test("the policy, rights, bandwidths, evidence, and who may have a group no longer", async () => {
  let heard: Parameters<Control["policy"]>[1] = () => assert.fail("nobody hears");
  const word: Control = {
    add() {},
    refused() {},
    inquire: (macs, told) => told(macs.map((mac) => ({ mac, groups: [] }))),
    policy(_state, hears) {
      heard = hears;
    },
    status: () => ({
      ...CONNECTED,
      connected: false,
      waiting: 3,
      evidence: "evidence.disk-full",
      drops: { "report.queue-full": 4 },
    }),
    close: async () => {},
  };
  const { a, run, service } = await simulatedRouter({
    downstream: { bandwidth: 5000 },
    entries: {
      bandwidth: { otherChannels: 1000 },
      broker: { url: "mqtt://nowhere" },
      identity: "none",
      reception: { id: "none", publicKey: "09".padEnd(64, "0") },
    },
    platform: (_forwarding, _taps, clock) => ({
      membershipReports: word,
      enforcement: new SimulatedEnforcement(clock),
    }),
  });
  a.join();
  run(2);
  const before = service.metrics();
  assert.deepEqual(valuesOf(before, "bandwidth_kbit_per_second"), { "of=interface,interface=br-lan": 1000 });
  assert.deepEqual([valuesOf(before, "policy_revision"), valuesOf(before, "enforce_stands")], [{ "": 0 }, {}]);
  heard(1795695538750, JSON.stringify({ enforce: { groups: ["239.0.0.0/8"], afterwards: "closed" } }));
  heard(1795695538751, JSON.stringify({ rules: [{ action: "deny", interface: "eth9" }] }));
  run(2);
  const text = service.metrics();
  isDocumented(text);
  const all = Object.fromEntries(
    [
      ...["policy_revision", "policy_refused_revision", "policy_on_disk", "rules", "enforce_stands", "enforce_cards"],
      ...["enforce_permitted", "enforce_guard_sound", "control_connected", "evidence_waiting", "evidence_on_disk"],
    ].map((name) => [name, valuesOf(text, name)[""]]),
  );
  assert.deepEqual(all, {
    policy_revision: 1795695538750,
    policy_refused_revision: 1795695538751,
    policy_on_disk: 0,
    rules: 0,
    enforce_stands: 1,
    enforce_cards: 1,
    enforce_permitted: 0,
    enforce_guard_sound: 1,
    control_connected: 0,
    evidence_waiting: 3,
    evidence_on_disk: 0,
  });
  assert.deepEqual(valuesOf(text, "control_drops_total"), { "reason=report.queue-full": 4 });
  assert.deepEqual(valuesOf(text, "revocations_total"), { "interface=br-lan": 1, "interface=wan": 0 });
});

test("the number of series does not grow with groups and hosts", async () => {
  const { a, b, run, service } = await simulatedRouter();
  const series = (): number =>
    service
      .metrics()
      .split("\n")
      .filter((line) => !line.startsWith("#")).length;
  a.join();
  b.join();
  run(2);
  const before = series();
  for (let i = 2; i < 12; i++) a.join((0xefff4d00 + i) as Parameters<typeof a.join>[0]);
  run(2);
  assert.equal(series(), before);
});

/** The whole answer to a request as it is sent. */
const answerTo = (port: number, request: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    socket.on("data", (part) => {
      text += String(part);
    });
    socket.on("close", () => resolve(text)).on("error", reject);
  });

test("by HTTP there is GET /metrics and nothing else, and each connection ends with its answer", async (context) => {
  const listener = await listenForCollectors({ address: "127.0.0.1", port: 0 }, () => "the text\n");
  context.after(() => listener.close());
  const ask = (line: string): Promise<string> => answerTo(listener.port, `${line} HTTP/1.1\r\nhost: x\r\n\r\n`);
  const got = await ask("GET /metrics");
  assert.match(
    got,
    /^HTTP\/1\.1 200 [\s\S]*content-type: text\/plain; version=0\.0\.4; charset=utf-8\r\n[\s\S]*the text\n/,
  );
  assert.match(await ask("HEAD /metrics"), /^HTTP\/1\.1 200 (?![\s\S]*the text)/);
  assert.match(await ask("POST /metrics"), /^HTTP\/1\.1 405 /);
  assert.match(await ask("GET /status"), /^HTTP\/1\.1 404 /);
  assert.match(await ask("GET /"), /^HTTP\/1\.1 404 /);
});

test("an address that cannot be had is a named failure", async (context) => {
  const first = await listenForCollectors({ address: "127.0.0.1", port: 0 }, () => "");
  context.after(() => first.close());
  const isNamed = (error: unknown) => error instanceof HalError && error.code === "metrics.open";
  await assert.rejects(
    listenForCollectors({ address: "127.0.0.1", port: first.port }, () => ""),
    isNamed,
  );
  await assert.rejects(
    listenForCollectors({ address: "192.0.2.1", port: 0 }, () => ""),
    isNamed,
  );
});
