// The same things said on two links, one of 4-octet and one of 16-octet addresses: interface and bridge ports do the same on both.
import assert from "node:assert/strict";
import type { Address } from "../base/address.ts";
import { fuzz } from "../base/fuzz.testkit.ts";
import { seconds } from "../base/time.ts";
import { OURS, SPOKEN_V4, SPOKEN_V6, type Spoken, type Step, someDeed, Talk } from "./families.testkit.ts";
import { type FilterMode, filterOf } from "./filter.ts";
import { MulticastHost } from "./host/host.ts";
import { at, middle } from "./igmp.testkit.ts";
import { PortTable } from "./port-table.ts";
import { RouterInterface } from "./router-interface.ts";

/** An interface and its ports. */
class Link<A extends Address> {
  readonly talk: Talk<A>;
  readonly #spoken: Spoken<A>;
  readonly #machine: RouterInterface<A>;
  readonly #ports: PortTable<A>;
  constructor(spoken: Spoken<A>, trackingSource: "packets" | "frames") {
    this.#spoken = spoken;
    this.talk = new Talk(spoken);
    const { host, family } = spoken.sample;
    const options = { trackingSource, maxGroups: 6, maxSourcesPerGroup: 4, maxHostMemberships: 20, joinsPerSecond: 2 };
    this.#machine = new RouterInterface(spoken.wire, options);
    this.#ports = new PortTable(this.#machine, { groups: 5, sourcesPerGroup: 4 });
    const addresses = [{ address: host(OURS), prefixLength: family.bits - 8 }];
    this.talk.note(this.#machine.receive(at(0), { kind: "up", address: host(OURS), addresses }));
  }

  take({ at: s, host, deed }: Step): void {
    const now = at(s);
    const packet = this.talk.packet(host, deed);
    const [port, mac] = [`lan${1 + (host % 2)}`, `02:00:00:00:00:0${host}`];
    const framed = { port, bytes: this.#spoken.frame(mac, packet) };
    this.talk.note(this.#machine.receive(now, { kind: "packet", bytes: packet }));
    this.talk.note(this.#machine.receive(now, { kind: "frame", ...framed }));
    this.talk.note([...this.#ports.poll(now), ...this.#ports.frame(now, framed)]);
    this.talk.note([
      this.#machine.groups(now),
      this.#machine.hosts(),
      this.#machine.querier,
      this.#machine.nextDeadline(),
    ]);
    this.talk.note(this.#ports.view(now));
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
        const [four, sixteen] = links.map(({ talk }) => talk.log.splice(0));
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

/** A host that wants this and that while somebody asks. */
class Member<A extends Address> {
  readonly talk: Talk<A>;
  readonly #spoken: Spoken<A>;
  readonly #host: MulticastHost<A>;

  constructor(spoken: Spoken<A>) {
    this.#spoken = spoken;
    this.talk = new Talk(spoken);
    this.#host = new MulticastHost(spoken.wire, middle, { maxGroups: 6, refresh: seconds(60) });
    this.talk.note(this.#host.receive(at(0), { kind: "up", address: spoken.sample.host(OURS) }));
  }

  hear({ at: s, host, deed }: Step): void {
    this.talk.note(this.#host.receive(at(s), { kind: "packet", bytes: this.talk.packet(host, deed) }));
    this.talk.note([this.#host.nextDeadline()]);
  }

  want(s: number, n: number, mode: FilterMode, sources: readonly number[]): void {
    const filter = filterOf(mode, sources.map(this.#spoken.sample.source));
    this.talk.note(this.#host.receive(at(s), { kind: "want", group: this.talk.group(n), filter }));
  }
}

fuzz(
  "a host reports and answers with 16-octet addresses as it does with 4 octets",
  { seed: 3810, rounds: 6 },
  ({ below, rounds }) => {
    const seen = new Set<string | undefined>();
    for (let round = 0; round < rounds; round++) {
      const members = [new Member(SPOKEN_V4), new Member(SPOKEN_V6)] as const;
      let s = 0;
      for (let step = 0; step < 500; step++) {
        s += below(8);
        const one = { at: s, host: below(8), deed: someDeed(below) };
        const wish = [
          s,
          below(8),
          below(2) === 0 ? "include" : "exclude",
          [1 + below(4), 1 + below(4)].slice(below(3)),
        ] as const;
        for (const member of members) {
          member.hear(one);
          member.want(...wish);
        }
        const [four, sixteen] = members.map(({ talk }) => talk.log.splice(0));
        assert.deepEqual(sixteen, four, JSON.stringify([one, wish]));
        for (const line of four ?? []) seen.add(/"kind":"(v3Report|v2Report|leave|mode|drop)"/.exec(line)?.[1]);
      }
    }
    for (const kind of ["v3Report", "v2Report", "leave", "mode", "drop"]) assert.ok(seen.has(kind), kind);
  },
);
