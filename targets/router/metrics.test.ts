import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { HalError } from "../../core/ports/errors.ts";
import { listenForCollectors } from "./metrics-listener.ts";
import { simulatedRouter } from "./simulated.testkit.ts";

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
  assert.match(text, /^sealcast_igmp_querier\{interface="br-lan"\} 0$/m);
  assert.match(text, /^sealcast_igmp_memberships\{interface="br-lan"\} 1$/m);
  assert.match(text, /^sealcast_igmp_received_messages_total\{interface="br-lan",message="v3-query-general"\} 1$/m);
  assert.match(
    text,
    /^sealcast_igmp_port_received_messages_total\{interface="br-lan",port="lan2",message="v3-query-general"\} 1$/m,
  );
  assert.match(text, /^sealcast_igmp_deliveries_total\{change="began"\} 1$/m);
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
