// What every Links driver must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ipv4 } from "../../core/base/ipv4.ts";
import type { Link, Links } from "../../core/ports/links.ts";

export interface LinksBench {
  readonly links: Links;
  /** A plain interface that is up, with one address. */
  readonly plain: string;
  readonly address: Ipv4;
  /** A bridge and its ports, in order. */
  readonly bridge: string;
  readonly ports: readonly string[];
  setUp(name: string, up: boolean): void;
  remove(name: string): void;
  until(condition: () => boolean): Promise<boolean>;
}

export function linksContract(name: string, bench: LinksBench): void {
  const { links, plain, until } = bench;

  test(`${name}: tells what an interface is`, () => {
    const link = links.get(plain);
    assert.equal(link?.up, true);
    assert.deepEqual(link?.addresses, [{ address: bench.address, prefixLength: 24 }]);
    assert.deepEqual(link?.ports, []);
    assert.deepEqual(links.get(bench.bridge)?.ports, bench.ports);
    assert.equal(links.get("rt-none"), undefined);
    const all = links.list();
    assert.ok([plain, bench.bridge].every((wanted) => all.some((one) => one.name === wanted)));
    assert.deepEqual(
      all.find((one) => one.name === plain),
      link,
    );
  });

  test(`${name}: tells each change of a watched link, and nothing after the stop`, async (context) => {
    const log: string[] = [];
    const word = (link: { up: boolean } | undefined) => (link === undefined ? "gone" : link.up ? "up" : "down");
    let all: readonly Link[] = [];
    const stopAll = links.changes((now) => {
      all = now;
    });
    const isThere = (wanted: string) => all.some((one) => one.name === wanted);
    const stop = links.watch([plain], (which, link) => log.push(`${which} ${word(link)}`));
    for (const end of [stop, stopAll]) context.after(end);
    // Both have seen it: each looks when it is told to, by itself.
    const both = (wanted: string) => () =>
      log.at(-1) === `${plain} ${wanted}` && word(all.find((one) => one.name === plain)) === wanted;
    bench.setUp(plain, false);
    assert.ok(await until(both("down")), log.join());
    bench.setUp(plain, true);
    assert.ok(await until(both("up")), log.join());
    bench.remove(plain);
    assert.ok(await until(both("gone")), log.join());
    stop();
    const length = log.length;
    assert.ok(isThere(bench.bridge));
    bench.remove(bench.bridge);
    assert.ok(await until(() => !isThere(bench.bridge)), "a link that nobody named");
    assert.equal(log.length, length);
  });
}
