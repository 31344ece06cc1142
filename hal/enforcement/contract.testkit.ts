// What every Enforcement driver must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { address, type Ipv4 } from "../../core/base/ipv4.ts";
import { type Duration, seconds } from "../../core/base/time.ts";
import type { Enforcement, GuardRules } from "../../core/ports/enforcement.ts";

export interface EnforcementBench {
  readonly enforcement: Enforcement;
  /** Two ports of one bridge. */
  readonly ports: readonly [string, string];
  /** Where a packet to the group comes out. */
  reached(group: Ipv4): Promise<readonly string[]>;
  pass(span: Duration): Promise<void>;
}

const [GROUP, OTHER, FREE] = [address("239.1.1.1"), address("239.1.1.2"), address("239.2.1.1")];
const GROUPS = [{ address: address("239.1.0.0"), prefixLength: 16 }];
const LISTENER = {
  failed: (error: Error) => assert.fail(error.message),
  restored: () => assert.fail("nothing failed"),
};

export function enforcementContract(name: string, bench: EnforcementBench): void {
  const [a, b] = bench.ports;
  /** What was said is in force soon; the last look stands for all. */
  const reaches = async (group: Ipv4, ports: readonly string[]): Promise<void> => {
    const end = performance.now() + 20_000;
    let reached = await bench.reached(group);
    while (reached.join() !== ports.join() && performance.now() < end) reached = await bench.reached(group);
    assert.deepEqual(reached, ports);
  };
  const rules: GuardRules = { groups: GROUPS, afterwards: "closed", ports: bench.ports };
  const open = (more: Partial<GuardRules> = {}) => bench.enforcement.open({ ...rules, ...more }, LISTENER);

  test(`${name}: a guarded group leaves by the ports that have a pass, any other by all`, async () => {
    const guard = open();
    guard.stand(seconds(60));
    guard.change([{ port: a, group: GROUP }], []);
    await reaches(GROUP, [a]);
    await reaches(OTHER, []);
    await reaches(FREE, [a, b]);
    guard.change([{ port: b, group: GROUP }], [{ port: a, group: GROUP }]);
    await reaches(GROUP, [b]);
    await guard.close();
    await reaches(GROUP, [a, b]);
  });

  test(`${name}: what is said twice, or taken away without having been there, is no fault`, async () => {
    const guard = open();
    guard.stand(seconds(60));
    const one = { port: a, group: GROUP };
    guard.change([one], [{ port: b, group: GROUP }]);
    guard.change([one], []);
    guard.guard(b, false);
    guard.guard(b, false);
    await reaches(GROUP, [a, b]);
    await reaches(OTHER, [b]);
    await guard.close();
  });

  test(`${name}: a port that is guarded no more lets everything out, also one that a predecessor guarded`, async () => {
    open();
    await reaches(GROUP, []);
    const next = open({ ports: [a] });
    await reaches(GROUP, [b]);
    next.guard(b, true);
    await reaches(GROUP, []);
    next.guard(a, false);
    await reaches(GROUP, [a]);
    await next.close();
  });

  for (const afterwards of ["closed", "open"] as const) {
    test(`${name}: before the first word and after the last has stood its time, all is ${afterwards}`, async () => {
      const nobodyKnows = afterwards === "open" ? [a, b] : [];
      const guard = open({ afterwards });
      guard.change([{ port: a, group: GROUP }], []);
      await reaches(GROUP, nobodyKnows);
      guard.stand(seconds(60));
      await reaches(GROUP, [a]);
      guard.stand(seconds(1));
      await bench.pass(seconds(1.5));
      await reaches(GROUP, nobodyKnows);
      guard.stand(seconds(60));
      await reaches(GROUP, [a]);
      await guard.close();
    });
  }

  test(`${name}: other terms hold at once, and passes and the last word stay`, async () => {
    const guard = open();
    guard.change([{ port: a, group: GROUP }], []);
    guard.stand(seconds(60));
    await reaches(OTHER, []);
    guard.setTerms({ groups: [{ address: OTHER, prefixLength: 32 }], afterwards: "open" });
    await reaches(GROUP, [a, b]);
    await reaches(OTHER, []);
    guard.setTerms({ groups: GROUPS, afterwards: "open" });
    await reaches(GROUP, [a]);
    guard.stand(seconds(1));
    await bench.pass(seconds(1.5));
    await reaches(OTHER, [a, b]);
    await guard.close();
  });

  test(`${name}: who guards nothing removes what is left`, async () => {
    open();
    await reaches(GROUP, []);
    bench.enforcement.removeLeft();
    await reaches(GROUP, [a, b]);
    bench.enforcement.removeLeft();
    await reaches(GROUP, [a, b]);
  });

  test(`${name}: who died without a word leaves its passes to the next, and the machine counts how long they stand`, async () => {
    const dead = open();
    dead.stand(seconds(60));
    dead.change([{ port: a, group: GROUP }], []);
    await reaches(GROUP, [a]);
    const next = open({ afterwards: "open" });
    assert.deepEqual(next.inherited(), [{ port: a, group: GROUP }]);
    await reaches(GROUP, [a]);
    next.stand(seconds(1));
    await bench.pass(seconds(1.5));
    await reaches(GROUP, [a, b]);
    await next.close();
    const last = open();
    assert.deepEqual(last.inherited(), []);
    await last.close();
  });
}
