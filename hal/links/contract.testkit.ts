// What every Links driver must do; the drivers' tests run it.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ipv4 } from "../../core/base/ipv4.ts";
import type { Links } from "../../core/ports/links.ts";

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
  });

  test(`${name}: tells each change of a watched link, and nothing after the stop`, async () => {
    const log: string[] = [];
    const word = (link: { up: boolean } | undefined) => (link === undefined ? "gone" : link.up ? "up" : "down");
    const stop = links.watch([plain], (which, link) => log.push(`${which} ${word(link)}`));
    const last = () => log.at(-1);
    bench.setUp(plain, false);
    assert.ok(await until(() => last() === `${plain} down`), log.join());
    bench.setUp(plain, true);
    assert.ok(await until(() => last() === `${plain} up`), log.join());
    bench.remove(plain);
    assert.ok(await until(() => last() === `${plain} gone`), log.join());
    stop();
    const length = log.length;
    bench.setUp(bench.bridge, false);
    assert.equal(log.length, length);
  });
}
