// What every ReportFilters driver must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Duration, seconds } from "../../core/base/time.ts";
import { query, report, v1v2Message } from "../../core/igmp/igmp.testkit.ts";
import type { KeptPort, ReportFilter, ReportFilters } from "../../core/ports/report-filter.ts";

export interface ReportFilterBench {
  readonly filters: ReportFilters;
  /** Two ports of one bridge. */
  readonly ports: readonly [string, string];
  /** Whether a packet that comes in by the first port leaves by the other. */
  crosses(packet: Uint8Array): Promise<boolean>;
  pass(span: Duration): Promise<void>;
}

const [HOST, GROUP] = ["10.9.1.11", "239.1.1.1"];
const MESSAGES: Readonly<Record<string, Uint8Array>> = {
  "v1 report": v1v2Message("v1Report", HOST, GROUP),
  "v2 report": v1v2Message("v2Report", HOST, GROUP),
  leave: v1v2Message("leave", HOST, GROUP),
  "v3 report": report(HOST, ["to-ex", GROUP]),
};

/** Ports of a bridge of one LAN. */
export const bare = (...ports: readonly string[]): readonly KeptPort[] => ports.map((port) => ({ port }));

export function reportFilterContract(name: string, bench: ReportFilterBench): void {
  const [a, b] = bench.ports;
  const V2 = MESSAGES["v2 report"] ?? assert.fail("no such message");
  /** What was said is in force soon. */
  const crosses = async (packet: Uint8Array, wanted: boolean): Promise<void> => {
    const end = performance.now() + 20_000;
    while ((await bench.crosses(packet)) !== wanted) assert.ok(performance.now() < end, `crosses: ${!wanted}`);
  };
  const open = (): { filter: ReportFilter; inForce: Promise<void> } => {
    let told = (): void => {};
    const inForce = new Promise<void>((resolve) => {
      told = resolve;
    });
    const failed = (error: Error): never => assert.fail(error.message);
    return { filter: bench.filters.open({ bridge: "br0" }, { inForce: told, failed }), inForce };
  };

  test(`${name}: of what hosts say nothing crosses, of what routers say everything, and all of it after the end`, async () => {
    const { filter, inForce } = open();
    await crosses(V2, true);
    filter.keep(bare(a, b), seconds(60));
    await inForce;
    for (const [what, packet] of Object.entries(MESSAGES)) assert.equal(await bench.crosses(packet), false, what);
    for (const version of [1, 2, 3] as const) assert.equal(await bench.crosses(query(HOST, { version })), true);
    await filter.close();
    for (const [what, packet] of Object.entries(MESSAGES)) assert.equal(await bench.crosses(packet), true, what);
  });

  test(`${name}: what was said stands its time, and what is said again begins anew`, async () => {
    const { filter } = open();
    filter.keep(bare(a, b), seconds(60));
    await crosses(V2, false);
    filter.keep(bare(a, b), seconds(1));
    await bench.pass(seconds(1.5));
    await crosses(V2, true);
    filter.keep(bare(a, b), seconds(60));
    await crosses(V2, false);
    await filter.close();
  });

  test(`${name}: a port that is named no more lets reports in`, async () => {
    const { filter } = open();
    filter.keep(bare(a, b), seconds(60));
    await crosses(V2, false);
    filter.keep(bare(b), seconds(60));
    await crosses(V2, true);
    await filter.close();
  });

  test(`${name}: the filter of one bridge outlives that of another, and who died without a word leaves what ends by itself`, async () => {
    const [one, other] = [open(), open()];
    one.filter.keep(bare(a, b), seconds(60));
    await crosses(V2, false);
    other.filter.keep(bare("elsewhere"), seconds(60));
    await other.filter.close();
    assert.equal(await bench.crosses(V2), false);
    one.filter.keep(bare(a, b), seconds(2));
    const next = open();
    next.filter.keep(bare(a, b), seconds(60));
    await next.inForce;
    await bench.pass(seconds(2.5));
    assert.equal(await bench.crosses(V2), false);
    await one.filter.close();
    await next.filter.close();
    await crosses(V2, true);
  });
}
