// What every Clock must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { after, type Duration, milliseconds } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";

/** `pass` lets at least `span` of the clock's time go by. */
export function clockContract(name: string, clock: Clock, pass: (span: Duration) => Promise<void>): void {
  test(`${name}: now never steps back`, async () => {
    const before = clock.now();
    await pass(milliseconds(3));
    assert.ok(clock.now() >= after(before, milliseconds(3)));
  });

  test(`${name}: unix and at are each other's inverse`, () => {
    const now = clock.now();
    assert.ok(Math.abs(clock.at(clock.unix(now)) - now) < 50);
  });

  test(`${name}: an alarm rings once, not before its instant, and not inside the call`, async () => {
    const rings: number[] = [];
    const due = after(clock.now(), milliseconds(10));
    clock.alarm(due, () => rings.push(clock.now()));
    clock.alarm(clock.now(), () => rings.push(0));
    assert.deepEqual(rings, []);
    await pass(milliseconds(40));
    assert.equal(rings.length, 2);
    assert.ok((rings[1] ?? 0) >= due);
  });

  test(`${name}: a cancelled alarm stays silent, however often it is cancelled`, async () => {
    let rings = 0;
    const alarm = clock.alarm(after(clock.now(), milliseconds(5)), () => rings++);
    alarm.cancel();
    alarm.cancel();
    await pass(milliseconds(20));
    assert.equal(rings, 0);
  });
}
