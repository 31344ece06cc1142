// Interfaces whose sockets cannot be opened, or die again and again: attempts grow apart, and begin anew after one that lasted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { address, formatIpv4 } from "../../core/base/ipv4.ts";
import { milliseconds, seconds } from "../../core/base/time.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { TapListener } from "../../core/ports/frame-tap.ts";
import type { IgmpListener, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import type { Link, Links } from "../../core/ports/links.ts";
import type { RouterEvent } from "../../core/router/options.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { simulatedLinks } from "../../hal/links/simulated.ts";
import { SimulatedNetwork } from "../../hal/simulation/network.ts";
import type { SimulatedNode } from "../../hal/simulation/node.ts";
import { createLogger } from "../shared/log.ts";
import { Interfaces } from "./interfaces.ts";

const broken = () => new HalError("igmp.failed", "the socket cannot be opened");

/** One interface; `open` is called at each attempt. When, in ms since the start, is what comes back. */
function watched(
  open: (listener: IgmpListener, clock: SimulatedClock) => void,
  linksOf: (router: SimulatedNode) => Links = simulatedLinks,
) {
  const clock = new SimulatedClock();
  const entropy = new SeededEntropy(1);
  const network = new SimulatedNetwork(clock, entropy);
  const router = network.node("router");
  router.attach("eth0", { address: address("10.2.0.1"), lan: network.lan("lan") });
  const attempts: number[] = [];
  const igmp: IgmpSockets = {
    hearsUnjoined: false,
    open(interfaceName, listener) {
      attempts.push(Number(clock.now()));
      open(listener, clock);
      return { interfaceName, send: () => {}, dropped: () => 0, close: () => {} };
    },
  };
  const log = createLogger({ level: "silent", format: "json", toStderr: true }, "router", "r");
  const fatal = (error: HalError): void => assert.fail(error.message);
  const platform = {
    clock,
    entropy,
    links: linksOf(router),
    igmp,
    table: undefined,
    taps: undefined,
    log,
    fatal,
  };
  const told: string[] = [];
  const interfaces = new Interfaces(platform, ["eth0"], new Set(), (event) => {
    if (event.kind === "link")
      told.push(`${clock.now()} ${event.address === undefined ? "gone" : formatIpv4(event.address)}`);
  });
  interfaces.start();
  return { clock, attempts, interfaces, told };
}

/** Links whose only one has the addresses that it is given. */
function readdressed() {
  let tell: (texts: readonly string[]) => void = () => {};
  const linksOf = (router: SimulatedNode): Links => {
    const links = simulatedLinks(router);
    const first = links.get("eth0") ?? assert.fail();
    let link = first;
    return {
      ...links,
      get: () => link,
      watch(_names, changed) {
        tell = (texts) => {
          link = { ...first, addresses: texts.map((text) => ({ address: address(text), prefixLength: 24 })) };
          changed("eth0", link);
        };
        return () => {};
      },
    };
  };
  return { linksOf, give: (...texts: readonly string[]) => tell(texts) };
}

test("an address that goes and comes back, or another in its place within 10 s: the interface stays in use", () => {
  const { linksOf, give } = readdressed();
  const { clock, attempts, told } = watched(() => {}, linksOf);
  give();
  give("10.2.0.1");
  clock.run(seconds(20));
  give();
  clock.run(seconds(9));
  give();
  give("10.2.0.7");
  clock.run(seconds(20));
  assert.deepEqual([attempts, told], [[0], ["0 10.2.0.1", "29000 10.2.0.7"]]);
});

test("one that stays away is waited for 10 s, and the interface comes back with the next", () => {
  const { linksOf, give } = readdressed();
  const { clock, attempts, told, interfaces } = watched(() => {}, linksOf);
  give();
  clock.run(seconds(4));
  give();
  clock.run(seconds(26));
  give("10.2.0.1");
  give();
  interfaces.close();
  clock.run(seconds(20));
  assert.deepEqual(
    [attempts, told],
    [
      [0, 30_000],
      ["0 10.2.0.1", "10000 gone", "30000 10.2.0.1"],
    ],
  );
});

test("a socket that cannot be opened is tried after 1, 2, 4 ... 30 s", () => {
  const { clock, attempts, interfaces } = watched(() => {
    throw broken();
  });
  clock.run(seconds(100));
  assert.deepEqual(attempts, [0, 1000, 3000, 7000, 15_000, 31_000, 61_000, 91_000]);
  interfaces.close();
  clock.run(seconds(100));
  assert.equal(attempts.length, 8);
});

test("one that opens and dies at once is no success; one that lasted begins anew", () => {
  let dying = true;
  let newest: IgmpListener | undefined;
  const { clock, attempts } = watched((listener, its) => {
    newest = listener;
    if (dying) its.alarm(its.now(), () => listener.failed(broken()));
  });
  clock.run(milliseconds(20_000));
  assert.deepEqual(attempts, [0, 1000, 3000, 7000, 15_000]);
  dying = false;
  clock.run(seconds(60));
  assert.deepEqual(attempts.slice(5), [31_000]);
  newest?.failed(broken());
  clock.run(seconds(2));
  assert.deepEqual(attempts.slice(6), [81_000]);
});

/** br0 with lan1 and lan2, its ports tapped; `change` makes it another. */
function tapped() {
  const clock = new SimulatedClock();
  const entropy = new SeededEntropy(1);
  const network = new SimulatedNetwork(clock, entropy);
  const router = network.node("router");
  router.attach("br0", { address: address("10.2.0.1"), lan: { lan1: network.lan("lan1"), lan2: network.lan("lan2") } });
  const taps = new Map<string, TapListener>();
  const told: string[] = [];
  const events: RouterEvent[] = [];
  const links = simulatedLinks(router);
  let link = links.get("br0") ?? assert.fail();
  let changed: (name: string, link: Link) => void = () => {};
  const interfaces = new Interfaces(
    {
      clock,
      entropy,
      links: {
        ...links,
        get: () => link,
        watch(_names, tell) {
          changed = tell;
          return () => {};
        },
      },
      igmp: {
        hearsUnjoined: true,
        open: (interfaceName) => ({ interfaceName, send: () => {}, dropped: () => 0, close: () => {} }),
      },
      table: undefined,
      taps: {
        open(interfaceName, listener) {
          taps.set(interfaceName, listener);
          return { interfaceName, dropped: () => 0, close: () => taps.delete(interfaceName) };
        },
      },
      log: createLogger({ level: "silent", format: "json", toStderr: true }, "router", "r"),
      fatal: (error) => assert.fail(error.message),
    },
    ["br0"],
    new Set(["br0"]),
    (event) => {
      events.push(event);
      told.push(event.kind === "bridge" ? event.ports.join() : event.kind);
    },
  );
  interfaces.start();
  const change = (what: Partial<Link>): void => {
    link = { ...link, ...what };
    changed("br0", link);
  };
  return { clock, interfaces, taps, told, events, change, addresses: link.addresses };
}

test("while a bridge waits for its address its ports are followed", () => {
  const { interfaces, taps, told, change, addresses } = tapped();
  change({ addresses: [] });
  change({ ports: ["lan1", "lan3"] });
  assert.deepEqual([[...taps.keys()], told.at(-1)], [["lan1", "lan3"], "lan1,lan3"]);
  assert.deepEqual(interfaces.link("br0")?.ports, ["lan1", "lan3"]);
  const before = told.length;
  change({ addresses });
  assert.deepEqual(told.slice(before), ["lan1,lan3"], "the interface has not been away");
  interfaces.close();
  assert.deepEqual([...taps.keys()], []);
});

test("of a bridge its ports are told, and that a tap which was deaf hears again", () => {
  const { interfaces, taps, told } = tapped();
  assert.deepEqual(told, ["lan1,lan2", "link"]);
  const lan1 = taps.get("lan1");
  lan1?.resumed();
  assert.equal(told.length, 2, "the start asks by itself");
  lan1?.interrupted(new HalError("tap.ended", "it was killed"));
  lan1?.resumed();
  assert.deepEqual([told.at(-1), interfaces.taps("br0").lan1], ["ask-all", "listening"]);
  interfaces.close();
});

test("of a port of a VLAN it is told which of its frames are of it, and with which tag they go out, as it is now", () => {
  const { interfaces, taps, events, change } = tapped();
  const bytes = Uint8Array.of(1);
  const heard = () => {
    for (const port of ["lan1", "lan2"]) taps.get(port)?.frame(bytes);
    return events.splice(0).flatMap((event) => (event.kind === "frame" ? [event.lan] : []));
  };
  assert.deepEqual(heard(), [undefined, undefined], "nobody can tell");
  const [access, trunk] = [
    { pvid: true, untagged: true },
    { pvid: false, untagged: false },
  ];
  change({ vlan: 20, portVlans: { lan1: access, lan2: trunk } });
  const tags = events.flatMap((event) => (event.kind === "bridge" ? [event.tags] : []));
  assert.deepEqual(tags, [{ lan1: undefined, lan2: 20 }]);
  assert.deepEqual(heard(), [
    { vlan: 20, pvid: true },
    { vlan: 20, pvid: false },
  ]);
  change({ addresses: [], portVlans: { lan1: trunk, lan2: trunk } });
  assert.deepEqual(heard()[0], { vlan: 20, pvid: false }, "while it waits for its address too");
  interfaces.close();
});
