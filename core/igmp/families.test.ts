// The same things said on two links, one of 4-octet and one of 16-octet addresses: interface and bridge ports do the same on both.
import assert from "node:assert/strict";
import type { Address } from "../base/address.ts";
import type { Below } from "../base/chance.testkit.ts";
import { fuzz } from "../base/fuzz.testkit.ts";
import { milliseconds, seconds } from "../base/time.ts";
import { type Said, SPOKEN_V4, SPOKEN_V6, type Spoken } from "./families.testkit.ts";
import { at } from "./igmp.testkit.ts";
import { PortTable } from "./port-table.ts";
import type { Query } from "./query.ts";
import type { RecordType } from "./report.ts";
import { RouterInterface } from "./router-interface.ts";

const TYPES: readonly RecordType[] = ["is-in", "is-ex", "to-in", "to-ex", "allow", "block"];
const OURS = 5;

/** What happens, by numbers: the same on both links. */
type Deed =
  | { readonly kind: "report"; readonly type: RecordType; readonly group: number; readonly sources: readonly number[] }
  | { readonly kind: "v2Report" | "leave"; readonly group: number }
  | { readonly kind: "query"; readonly version: 2 | 3; readonly group: number; readonly sources: readonly number[] };

interface Step {
  readonly at: number;
  readonly host: number;
  readonly deed: Deed;
}

function someDeed(below: Below): Deed {
  const group = below(8);
  const sources = Array.from({ length: below(4) }, () => 1 + below(6));
  const choice = below(20);
  if (choice === 0) return { kind: "query", version: below(2) === 0 ? 2 : 3, group: 0, sources: [] };
  if (choice === 1) return { kind: "query", version: 3, group: 1 + below(4), sources };
  if (choice < 4) return { kind: "v2Report", group };
  if (choice < 6) return { kind: "leave", group };
  return { kind: "report", type: TYPES[below(6)] ?? "is-in", group, sources };
}

/** One link, and the log of what its interface and ports did. */
class Link<A extends Address> {
  readonly log: string[] = [];
  readonly #spoken: Spoken<A>;
  readonly #machine: RouterInterface<A>;
  readonly #ports: PortTable<A>;
  /** Addresses by what they are, so that both logs have the same words. */
  readonly #names = new Map<unknown, string>();

  constructor(spoken: Spoken<A>, trackingSource: "packets" | "frames") {
    this.#spoken = spoken;
    const { host, group, ssm, source, family } = spoken.sample;
    for (let n = 1; n < 10; n++)
      for (const [name, one] of Object.entries({ host, group, ssm, source })) this.#names.set(one(n), `${name} ${n}`);
    this.#names.set(family.allNodes, "all nodes").set(family.unspecified, "unspecified");
    const options = { trackingSource, maxGroups: 6, maxSourcesPerGroup: 4, maxHostMemberships: 20, joinsPerSecond: 2 };
    this.#machine = new RouterInterface(spoken.wire, options);
    this.#ports = new PortTable(this.#machine, { groups: 5, sourcesPerGroup: 4 });
    const addresses = [{ address: host(OURS), prefixLength: family.bits - 8 }];
    this.#note(this.#machine.receive(at(0), { kind: "up", address: host(OURS), addresses }));
  }

  take({ at: s, host, deed }: Step): void {
    const now = at(s);
    const { packet: spell, frame, sample } = this.#spoken;
    const packet = spell(host === 0 ? sample.family.unspecified : sample.host(host), this.#said(deed));
    const [port, mac] = [`lan${1 + (host % 2)}`, `02:00:00:00:00:0${host}`];
    const framed = { port, bytes: frame(mac, packet) };
    this.#note(this.#machine.receive(now, { kind: "packet", bytes: packet }));
    this.#note(this.#machine.receive(now, { kind: "frame", ...framed }));
    this.#note([...this.#ports.poll(now), ...this.#ports.frame(now, framed)]);
    this.#note([this.#machine.groups(now), this.#machine.hosts(), this.#machine.querier, this.#machine.nextDeadline()]);
    this.#note(this.#ports.view(now));
  }

  #said(deed: Deed): Said<A> {
    const { source, family } = this.#spoken.sample;
    const group = this.#group(deed.group);
    switch (deed.kind) {
      case "report":
        return { kind: "v3Report", records: [{ type: deed.type, group, sources: deed.sources.map(source) }] };
      case "v2Report":
      case "leave":
        return { kind: deed.kind, group };
      case "query": {
        const told = deed.version === 3 ? { robustness: 2, queryInterval: seconds(125) } : undefined;
        const query: Query<A> = {
          version: deed.version,
          group: deed.group === 0 ? family.unspecified : group,
          sources: deed.sources.map(source),
          maxResponse: milliseconds(1000),
          suppress: false,
          ...(told ?? { robustness: 0, queryInterval: seconds(0) }),
        };
        return { kind: "query", query };
      }
    }
  }

  /** 0: the group of all; 1 to 5; and two source-specific ones. */
  #group(n: number): A {
    const { family, group, ssm } = this.#spoken.sample;
    return n === 0 ? family.allNodes : n < 6 ? group(n) : ssm(n);
  }

  #note(done: readonly unknown[] | object): void {
    for (const one of Object.values(done)) this.log.push(JSON.stringify(one, (_, value) => this.#named(value)));
  }

  #named(value: unknown): unknown {
    if (value instanceof Uint8Array) return Object.entries(this.#spoken.asked(value)).sort();
    // Instants and lengths may be 0 too.
    return value === 0 ? "unspecified" : (this.#names.get(value) ?? value);
  }
}

fuzz(
  "an interface and the ports of a bridge do with 16-octet addresses what they do with 4 octets",
  { seed: 9777, rounds: 6 },
  ({ below, rounds }) => {
    const seen = new Set<string | undefined>();
    for (let round = 0; round < rounds; round++) {
      const tracking = round % 2 === 0 ? "packets" : "frames";
      const links = [new Link(SPOKEN_V4, tracking), new Link(SPOKEN_V6, tracking)] as const;
      let s = 0;
      for (let step = 0; step < 500; step++) {
        s += below(12);
        const one = { at: s, host: below(8), deed: someDeed(below) };
        if (one.host === OURS) continue;
        for (const link of links) link.take(one);
        const [four, sixteen] = links.map(({ log }) => log.splice(0));
        assert.deepEqual(sixteen, four, JSON.stringify(one));
        for (const line of four ?? []) seen.add(/^\{"kind":"([a-z-]+)"/.exec(line)?.[1]);
      }
    }
    for (const kind of [
      "send",
      "membership",
      "host-joined",
      "host-left",
      "drop",
      "querier",
      "port-membership",
      "router-port",
    ])
      assert.ok(seen.has(kind), kind);
  },
);
