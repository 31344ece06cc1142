import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import pino from "pino";
import { milliseconds } from "../../core/base/time.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { BrokerRefusals, byTime, withBrokerRefusals } from "./broker-refusals.ts";

function office() {
  const lines: string[] = [];
  const clock = new SimulatedClock();
  const log = pino({ base: null, timestamp: false }, { write: (line: string) => void lines.push(line) });
  return { refusals: new BrokerRefusals(clock, log), clock, lines };
}

const address = "10.0.0.7";

test("a client that keeps trying is a line at its 1st, 10th and 100th refusal, with who, where and why", () => {
  const { refusals, clock, lines } = office();
  for (let n = 0; n < 150; n++) {
    refusals.note({ reason: "wrong-password", id: "box-1", address });
    clock.run(milliseconds(30_000));
  }
  const told = lines.map((line) => JSON.parse(line));
  assert.deepEqual(
    told.map(({ count }) => count),
    [1, 10, 100],
  );
  const msg = "the broker refuses box-1 at 10.0.0.7: wrong password";
  assert.deepEqual(told[0], { level: 40, client: "box-1", address, reason: "wrong password", count: 1, msg });
});

test("denials holds both lists by time, status the newest ten", async () => {
  const { refusals, clock } = office();
  const denial = { at: "1970-01-01T00:00:01.000Z", device: "box-9", channel: "one", reason: "device.revoked" };
  clock.run(milliseconds(Math.max(0, 2000 - clock.unix(clock.now()))));
  for (let n = 0; n < 12; n++) refusals.note({ reason: "unknown-id", id: `box-${n}`, address });
  refusals.note({ reason: "tls", address, detail: "wrong version number" });
  const denials = (async function* () {
    yield denial;
  })();
  const rows = [];
  for await (const row of withBrokerRefusals(denials, refusals)) rows.push(row);
  assert.equal(rows[0], denial);
  assert.equal(rows.length, 14);
  const { clients, forgotten, newest } = refusals.status();
  assert.deepEqual([clients, forgotten, newest.length], [13, 0, 10]);
  const last = newest.at(-1);
  assert.deepEqual(
    [last?.client, last?.address, last?.reason, last?.detail, last?.count],
    [undefined, address, "broker: TLS handshake failed", "wrong version number", 1],
  );
});

test("rows are compared by time alone: two of one moment are equal, whichever is first", () => {
  const [early, late] = ["1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.000Z"].map((at) => ({ at }));
  assert.ok(early !== undefined && late !== undefined);
  assert.deepEqual([byTime(early, late), byTime(late, early)], [-1, 1]);
  assert.equal(byTime({ ...early, device: "box-1" }, { ...early, client: "box-2" }), 0);
});

test("100,000 different unknown ids of 4 KiB leave 1,024 short ones and 20 lines, and nothing of their length on the heap", () => {
  const { refusals, lines } = office();
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const knock = (times: number): void => {
    for (let n = 0; n < times; n++)
      refusals.note({ reason: "unknown-id", id: `${"x".repeat(30)}${n}${"y".repeat(4096)}`, address });
  };
  collect();
  const before = process.memoryUsage().heapUsed;
  knock(100_000);
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 1.5 * 1024 * 1024, `${grown} octets more`);
  const { clients, forgotten } = refusals.status();
  assert.deepEqual([clients, forgotten], [1024, 98_976]);
  assert.equal(lines.length, 20);
});
