// What every BridgeTables driver must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Ipv4, ipv4 } from "../../core/base/ipv4.ts";
import { ANY_SOURCE, filterOf, NO_SOURCE } from "../../core/igmp/filter.ts";
import type { BridgeTables } from "../../core/ports/bridge-table.ts";

export interface BridgeBench {
  readonly tables: BridgeTables;
  readonly bridge: string;
  readonly ports: readonly [string, string, string];
  readonly source: Ipv4;
  /** The first of a few groups: Linux keeps an empty one of a source for a moment, and finds it before the group of all sources. */
  readonly group: Ipv4;
  /** The ports through which a packet that the machine itself sends leaves. */
  reached(source: Ipv4, group: Ipv4): Promise<readonly string[]>;
}

export function bridgeContract(
  name: string,
  { tables, bridge, ports, source, group: first, reached }: BridgeBench,
): void {
  const [a, b, c] = ports;
  const other = ipv4(source + 1);

  test(`${name}: a group reaches the ports that it was set for, and no other`, async () => {
    const group = ipv4(first + 1);
    const table = tables.open(bridge);
    table.set(a, group, ANY_SOURCE);
    assert.deepEqual(await reached(source, group), [a]);
    table.set(b, group, ANY_SOURCE);
    table.set(b, group, ANY_SOURCE);
    assert.deepEqual(await reached(source, group), [a, b]);
    table.set(a, group, NO_SOURCE);
    table.set(c, group, NO_SOURCE);
    assert.deepEqual(await reached(source, group), [b]);
    table.close();
  });

  test(`${name}: each port gets the sources that it asked for`, async () => {
    const group = ipv4(first + 2);
    const table = tables.open(bridge);
    table.set(a, group, filterOf("include", [source]));
    table.set(b, group, ANY_SOURCE);
    table.set(c, group, filterOf("exclude", [source]));
    assert.deepEqual(await reached(source, group), [a, b]);
    assert.deepEqual(await reached(other, group), [b, c]);
    table.set(a, group, filterOf("include", [other]));
    table.set(b, group, filterOf("include", [source, other]));
    table.set(c, group, NO_SOURCE);
    assert.deepEqual(await reached(source, group), [b]);
    assert.deepEqual(await reached(other, group), [a, b]);
    table.set(b, group, ANY_SOURCE);
    table.set(a, group, NO_SOURCE);
    assert.deepEqual([await reached(source, group), await reached(other, group)], [[b], [b]]);
    table.close();
  });

  test(`${name}: a port that takes every source gets those that others name, as they come and go`, async () => {
    const group = ipv4(first + 3);
    const table = tables.open(bridge);
    table.set(b, group, ANY_SOURCE);
    table.set(c, group, filterOf("exclude", [other]));
    for (const one of [source, other]) {
      table.set(a, group, filterOf("include", [one]));
      assert.deepEqual(await reached(source, group), one === source ? [a, b, c] : [b, c]);
      assert.deepEqual(await reached(other, group), one === source ? [b] : [a, b]);
    }
    table.set(a, group, NO_SOURCE);
    assert.deepEqual([await reached(source, group), await reached(other, group)], [[b, c], [b]]);
    table.close();
  });

  test(`${name}: a port that is refused a group gets nothing of it, others get it, and it may be given the group again`, async () => {
    const group = ipv4(first + 6);
    const table = tables.open(bridge);
    table.set(a, group, ANY_SOURCE);
    table.set(b, group, ANY_SOURCE);
    table.refuse(a, group);
    table.refuse(c, group);
    table.refuse("rt-none", group);
    assert.deepEqual(await reached(source, group), [b]);
    table.set(a, group, NO_SOURCE);
    table.set(c, group, filterOf("include", [source]));
    assert.deepEqual([await reached(source, group), await reached(other, group)], [[b, c], [b]]);
    table.set(a, group, ANY_SOURCE);
    table.set(c, group, NO_SOURCE);
    assert.deepEqual(
      [await reached(source, group), await reached(other, group)],
      [
        [a, b],
        [a, b],
      ],
    );
    table.close();
  });

  test(`${name}: a router port gets every group`, async () => {
    const group = ipv4(first + 4);
    const table = tables.open(bridge);
    table.set(a, group, ANY_SOURCE);
    table.routerPorts([c], []);
    assert.deepEqual(await reached(source, group), [a, c]);
    table.routerPorts([], []);
    assert.deepEqual(await reached(source, group), [a]);
    table.close();
  });

  test(`${name}: what is no bridge is bridge.no-bridge, and a port that is not there is passed over`, () => {
    const group = ipv4(first + 5);
    assert.throws(() => tables.open("rt-none"), { code: "bridge.no-bridge" });
    const table = tables.open(bridge);
    table.set("rt-none", group, ANY_SOURCE);
    table.close();
  });
}
