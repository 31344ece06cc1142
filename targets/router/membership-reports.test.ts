// The evidence over a broker that comes and goes: nothing lost, nothing twice, in order.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { pino } from "pino";
import { address } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { Endpoint } from "../../core/control/endpoint.ts";
import { Mailbox } from "../../core/control/mailbox.ts";
import type { MembershipChange, MessageOf } from "../../core/control/messages.ts";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";
import { SimulatedBroker } from "../../hal/bus/simulated.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { FileEvidenceLog } from "../../hal/evidence/file.ts";
import { fullDisk, MemoryEvidenceLog } from "../../hal/evidence/memory.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { changeWord, MembershipReports } from "./membership-reports.ts";

const primitives = new NodePrimitives();

/** A router's evidence and a reception server that acknowledges every report; `restart` is another process over the same log. */
function bench(evidenceLog?: EvidenceLog, limit = 16_384) {
  const clock = new SimulatedClock();
  const entropy = new SeededEntropy(1);
  const broker = new SimulatedBroker(clock, entropy);
  const [routerKeys, serverKeys] = [primitives.x25519Generate(), primitives.x25519Generate()];
  const server = { role: "reception", id: "reception-1", publicKey: serverKeys.publicKey } as const;
  const router = { role: "router", id: "router-1", publicKey: routerKeys.publicKey } as const;
  const reports: MessageOf<"membership.report">[] = [];
  const mailbox = new Mailbox(
    { role: "reception", id: server.id, keys: serverKeys, peers: [router] },
    primitives,
    entropy,
  );
  const endpoint: Endpoint = new Endpoint(
    broker.connector("reception"),
    { mailbox, clock, primitives },
    {
      message({ message, request }) {
        if (message.type !== "membership.report" || request === undefined) return;
        reports.push(message);
        endpoint.answer(request, { type: "membership.acknowledged", id: message.id, sequence: message.sequence });
      },
      notice() {},
      up() {},
      down() {},
      dropped: (drop) => assert.fail(drop),
    },
  );
  const logged: string[] = [];
  const log = pino(
    { level: "warn" },
    { write: (line: string) => logged.push((JSON.parse(line) as { code: string }).code) },
  );
  const restart = () => {
    const platform = { clock, entropy, primitives, buses: broker.connector("router"), keys: routerKeys, log };
    return new MembershipReports(router.id, server, platform, { limit, evidenceLog });
  };
  return { clock, broker, reports, restart, logged, membershipReports: restart() };
}

const GROUP = address("239.255.77.1");
const change = (at: number, what: MembershipChange["change"] = "joined", group = GROUP): MembershipChange => ({
  change: what,
  interface: "br-lan",
  port: "lan1",
  host: address("10.2.0.11"),
  mac: "02:00:00:00:00:05",
  group,
  sources: [],
  at,
});

/** Time goes on, and what was asked of the disk is done. */
async function pass(clock: SimulatedClock, span: number): Promise<void> {
  for (let n = 0; n < span * 4; n++) {
    clock.run(seconds(0.25));
    await setImmediate();
  }
}

/** Each report once, as the server takes them. */
const distinct = (reports: readonly MessageOf<"membership.report">[]) => [
  ...new Map(reports.map((report) => [`${report.process} ${report.sequence}`, report])).values(),
];

const times = (reports: readonly MessageOf<"membership.report">[]): number[] =>
  reports.flatMap(({ changes }) => changes.map(({ at }) => at));

test("changes reach the reception server within a second, with port and MAC", () => {
  const { clock, reports, membershipReports } = bench();
  clock.run(seconds(1));
  membershipReports.add(change(1));
  clock.run(seconds(1));
  assert.deepEqual(times(reports), [1]);
  const [told] = reports.flatMap(({ changes }) => changes);
  assert.deepEqual([told?.port, told?.mac], ["lan1", "02:00:00:00:00:05"]);
});

test("while the broker is away changes wait; when it is back they arrive once, in order", () => {
  const { clock, broker, reports, membershipReports } = bench();
  clock.run(seconds(1));
  broker.stop();
  for (let n = 0; n < 300; n++) {
    membershipReports.add(change(n));
    clock.run(seconds(0.1));
  }
  assert.deepEqual(times(reports), []);
  assert.equal((membershipReports.status() as { connected: boolean }).connected, false);
  broker.start();
  clock.run(seconds(60));
  assert.deepEqual(
    times(distinct(reports)),
    Array.from({ length: 300 }, (_, n) => n),
  );
  const reached = { connected: true, broker: "connected", waiting: 0, evidence: "in memory", drops: {} };
  assert.deepEqual(membershipReports.status(), reached);
});

test("what a process did not bring home its successors do: once, in order, under the name of who saw it", async () => {
  const { clock, broker, reports, restart, membershipReports } = bench(new MemoryEvidenceLog());
  await pass(clock, 1);
  broker.stop();
  let n = 0;
  for (let process = membershipReports; n < 450; process = restart()) {
    for (let i = 0; i < 150; i++) process.add(change(n++));
    const closed = process.close();
    await pass(clock, 2);
    await closed;
  }
  broker.start();
  await pass(clock, 60);
  const once = distinct(reports);
  assert.deepEqual(
    times(once),
    Array.from({ length: 450 }, (_, i) => i),
  );
  // The fourth has seen nothing, but says that it is another one.
  assert.equal(new Set(once.map(({ process }) => process)).size, 4);
  assert.deepEqual(once.at(-1)?.changes, []);
});

test("a disk that fails is named once, stops nothing, and is used again when it can be", async () => {
  const evidenceLog = new MemoryEvidenceLog();
  const { clock, reports, logged, membershipReports } = bench(evidenceLog);
  const evidence = () => (membershipReports.status() as { evidence: string }).evidence;
  evidenceLog.failing = fullDisk();
  for (let n = 0; n < 100; n++) {
    membershipReports.add(change(n));
    await pass(clock, 1);
  }
  assert.deepEqual([logged, evidence()], [["evidence.disk-full"], "evidence.disk-full"]);
  assert.equal(times(distinct(reports)).length, 100);
  evidenceLog.failing = undefined;
  membershipReports.add(change(100));
  await pass(clock, 31);
  assert.equal(evidence(), "on disk");
});

test("a damaged file is named once, kept aside, and what can be read of it arrives", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sealcast-evidence-"));
  after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "router.evidence");
  const before = new FileEvidenceLog(file);
  const lines = [1, 2, 3].map((n) => JSON.stringify({ change: change(n) }));
  await before.replace([JSON.stringify({ process: { id: 7, sequence: 4, dropped: 0 } }), ...lines]);
  await before.close();
  writeFileSync(file, readFileSync(file, "utf8").replace('"at":2', '"at":8'));
  const { clock, reports, logged, membershipReports } = bench(new FileEvidenceLog(file));
  const status = () => membershipReports.status() as { evidence: string };
  assert.equal(status().evidence, "evidence.damaged");
  // The disk is a real one, and takes its own time.
  while (distinct(reports).length < 2 || status().evidence !== "on disk") await pass(clock, 1);
  assert.deepEqual(
    distinct(reports).map(({ process, dropped, changes }) => [process === 7, dropped, changes.map(({ at }) => at)]),
    [
      [true, 0, [1, 3]],
      [false, 1, []],
    ],
  );
  assert.deepEqual(
    [logged, readdirSync(folder).sort()],
    [["evidence.damaged"], ["router.evidence", "router.evidence.damaged"]],
  );
});

test("what waits when the process ends is on the disk when `close` returns", async () => {
  const evidenceLog = new MemoryEvidenceLog();
  const { clock, broker, reports, restart, membershipReports } = bench(evidenceLog);
  await pass(clock, 1);
  broker.stop();
  await pass(clock, 1);
  membershipReports.add(change(1));
  const refusal = { interface: "br-lan", host: address("10.2.0.12"), group: GROUP, reason: "igmp.host-groups", at: 2 };
  membershipReports.refused(refusal);
  const closed = membershipReports.close();
  await pass(clock, 1);
  await closed;
  restart();
  broker.start();
  await pass(clock, 60);
  assert.deepEqual(times(distinct(reports)), [1]);
  assert.deepEqual(
    distinct(reports).flatMap(({ counts = [] }) => counts.map(({ reason, refused }) => [reason, refused])),
    [["igmp.host-groups", 1]],
  );
});

test("only a host that said so has left; all else has expired", () => {
  assert.deepEqual([changeWord("left"), changeWord("expired"), changeWord("down")], ["left", "expired", "expired"]);
});
