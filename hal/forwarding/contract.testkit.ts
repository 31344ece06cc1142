// What every Forwarding driver must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatIpv4, type Ipv4, ipv4 } from "../../core/base/ipv4.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { Forwarding, ForwardingListener } from "../../core/ports/forwarding.ts";

export interface ForwardingBench {
  readonly forwarding: Forwarding;
  /** Interfaces by name: traffic comes in on the first, may leave on the other two. */
  readonly interfaces: readonly [string, string, string];
  readonly source: Ipv4;
  readonly group: Ipv4;
  /** Puts one UDP datagram of (source, group) with this text on the link of an interface; `from`: another source. */
  inject(interfaceName: string, text: string, from?: Ipv4): void;
  /** The texts that left on an interface so far. */
  left(interfaceName: string): readonly string[];
  until(condition: () => boolean): Promise<boolean>;
}

class Upcalls implements ForwardingListener {
  readonly log: string[] = [];

  noRoute(source: Ipv4, group: Ipv4, inbound: string): void {
    this.log.push(`no route ${formatIpv4(source)} ${formatIpv4(group)} ${inbound}`);
  }

  wrongInterface(source: Ipv4, group: Ipv4, inbound: string): void {
    this.log.push(`wrong ${formatIpv4(source)} ${formatIpv4(group)} ${inbound}`);
  }

  igmp(): void {}

  failed(error: HalError): void {
    this.log.push(error.code);
  }
}

export function forwardingContract(name: string, open: () => Promise<ForwardingBench>): void {
  test(`${name}: asks once for an unknown source, then forwards, the packet that asked included`, async () => {
    const bench = await open();
    const [inside, a, b] = bench.interfaces;
    const { source, group } = bench;
    const upcalls = new Upcalls();
    const table = bench.forwarding.open(upcalls);
    assert.deepEqual(table.inherited(), []);
    for (const one of bench.interfaces) table.addInterface(one);

    bench.inject(inside, "first");
    await bench.until(() => upcalls.log.length > 0);
    assert.deepEqual(upcalls.log, [`no route ${formatIpv4(source)} ${formatIpv4(group)} ${inside}`]);
    table.set({ source, group, inbound: inside, outbound: [a, b] });
    bench.inject(inside, "second");
    await bench.until(() => bench.left(a).length === 2 && bench.left(b).length === 2);
    assert.deepEqual(
      [bench.left(a), bench.left(b)],
      [
        ["first", "second"],
        ["first", "second"],
      ],
    );

    table.set({ source, group, inbound: inside, outbound: [b] });
    bench.inject(inside, "third");
    await bench.until(() => bench.left(b).length === 3);
    assert.deepEqual([bench.left(a).length, bench.left(b).length], [2, 3], "the set replaced the outbound list");
    assert.deepEqual(
      table.use().map(({ packets }) => packets),
      [3],
    );

    bench.inject(b, "stray");
    await bench.until(() => upcalls.log.length > 1);
    assert.equal(upcalls.log[1], `wrong ${formatIpv4(source)} ${formatIpv4(group)} ${b}`);
    assert.equal(table.use()[0]?.packets, 3, "what came the wrong way is no use of the route");
    assert.equal(table.use()[0]?.wrong, 1);

    table.set({ source, group, inbound: inside, outbound: [] });
    bench.inject(inside, "nowhere");
    await bench.until(() => table.use()[0]?.packets === 4);
    assert.equal(bench.left(b).length, 3, "a negative entry keeps quiet");
    assert.equal(upcalls.log.length, 2);

    table.remove(source, group);
    table.remove(source, group);
    bench.inject(inside, "again");
    await bench.until(() => upcalls.log.length > 2);
    assert.equal(upcalls.log[2], upcalls.log[0]);
    table.close();
    table.close();
  });

  test(`${name}: each source of a group has a route of its own, as source-specific hosts need it`, async () => {
    const bench = await open();
    const [inside, a, b] = bench.interfaces;
    const { source, group } = bench;
    const other = ipv4(source + 1);
    const table = bench.forwarding.open(new Upcalls());
    for (const one of bench.interfaces) table.addInterface(one);
    table.set({ source, group, inbound: inside, outbound: [a] });
    table.set({ source: other, group, inbound: inside, outbound: [b] });
    bench.inject(inside, "wanted on a");
    bench.inject(inside, "wanted on b", other);
    await bench.until(() => bench.left(a).length > 0 && bench.left(b).length > 0);
    assert.deepEqual([bench.left(a), bench.left(b)], [["wanted on a"], ["wanted on b"]]);
    table.remove(other, group);
    assert.deepEqual(
      table.use().map((use) => [use.source, use.packets]),
      [[source, 1]],
    );
    table.close();
  });

  test(`${name}: to prepare a route changes nothing as long as nobody asks, whether there is one or not`, async () => {
    const bench = await open();
    const [inside, a, b] = bench.interfaces;
    const { source, group } = bench;
    const table = bench.forwarding.open(new Upcalls());
    for (const one of bench.interfaces) table.addInterface(one);
    const route = { source, group, inbound: inside, outbound: [a] };
    table.prepare(route, [b]);
    assert.deepEqual(table.use(), []);
    table.set(route);
    table.prepare(route, [b, "no such interface"]);
    bench.inject(inside, "wanted on a");
    await bench.until(() => bench.left(a).length > 0);
    assert.deepEqual([bench.left(a), bench.left(b)], [["wanted on a"], []]);
    table.close();
  });

  test(`${name}: an interface that is taken out takes its routes with it`, async () => {
    const bench = await open();
    const [inside, a, b] = bench.interfaces;
    const { source, group } = bench;
    const table = bench.forwarding.open(new Upcalls());
    for (const one of bench.interfaces) table.addInterface(one);
    table.set({ source, group, inbound: inside, outbound: [a, b] });
    table.removeInterface(a);
    bench.inject(inside, "one");
    await bench.until(() => bench.left(b).length === 1);
    assert.deepEqual([bench.left(a), bench.left(b)], [[], ["one"]]);
    table.removeInterface(inside);
    assert.deepEqual(table.use(), []);
    table.close();
  });

  test(`${name}: only one may hold multicast routing, and closing gives it back`, async () => {
    const { forwarding } = await open();
    const table = forwarding.open(new Upcalls());
    assert.throws(() => forwarding.open(new Upcalls()), { code: "mroute.in-use" });
    table.close();
    forwarding.open(new Upcalls()).close();
  });

  test(`${name}: an interface that is not there is mroute.add-vif`, async () => {
    const table = (await open()).forwarding.open(new Upcalls());
    assert.throws(() => table.addInterface("rt-none"), { code: "mroute.add-vif" });
    table.close();
  });
}
