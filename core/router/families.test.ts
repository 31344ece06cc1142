// The same router on interfaces of 4-octet and of 16-octet addresses: joins, policy, routes and what goes upstream.
import assert from "node:assert/strict";
import type { Address } from "../base/address.ts";
import type { Below } from "../base/chance.testkit.ts";
import { fuzz } from "../base/fuzz.testkit.ts";
import { seconds } from "../base/time.ts";
import { OURS, SPOKEN_V4, SPOKEN_V6, type Spoken, type Step, someDeed, Talk } from "../igmp/families.testkit.ts";
import { at, middle } from "../igmp/igmp.testkit.ts";
import type { RouterEvent } from "./options.ts";
import { Router } from "./router.ts";

/** A packet of a stream, by numbers. */
interface Stream {
  readonly source: number;
  readonly group: number;
  readonly inbound: string;
}

/** A router of one family, and the log of what it does. */
class Play<A extends Address> {
  readonly talk: Talk<A>;
  readonly #spoken: Spoken<A>;
  readonly #router: Router<A>;

  constructor(spoken: Spoken<A>) {
    this.#spoken = spoken;
    this.talk = new Talk(spoken);
    const { group, host, ssm, source, family } = spoken.sample;
    const lan = {
      name: "lan",
      snooping: true,
      igmp: { trackingSource: "frames", maxGroups: 6, joinsPerSecond: 5 },
      deny: [{ group: group(5), length: family.bits }],
      staticGroups: [{ group: group(4), sources: [source(1)] }],
      bandwidth: 5000,
    } as const;
    const options = {
      downstreams: [lan, { name: "wifi", snooping: true, proxyReports: "own" }],
      upstreams: [
        { name: "up", deny: [{ group: group(3), length: family.bits }], linger: seconds(3) },
        { name: "up2", groups: [{ group: ssm(0), length: family.bits - 8 }] },
      ],
      rules: [
        { action: "deny", host: { kind: "subnet", subnet: { address: host(7), prefixLength: family.bits } } },
        { action: "preview", groups: [{ group: ssm(6), length: family.bits }], preview: PREVIEW },
        {
          action: "deny",
          groups: [{ group: ssm(7), length: family.bits }],
          sources: [subnetOf(source(2), family.bits)],
        },
      ],
      bandwidth: { channels: [{ groups: [{ group: ssm(0), length: 16 }], kbitPerSecond: 3000 }], otherChannels: 1000 },
      maxRoutes: 12,
      maxRoutesPerSource: 2,
    } as const;
    this.#router = new Router<A>(spoken.wire, options, middle);
    this.take(0, { kind: "bridge", name: "wifi", ports: ["lan1", "lan2"], topology: "" });
    this.take(0, { kind: "speak-at", name: "wifi", ports: ["lan2"] });
    const owns = { lan: host(OURS), wifi: source(8), up: source(9), up2: source(7) };
    for (const [name, own] of Object.entries(owns)) {
      this.take(0, { kind: "link", name, address: own, addresses: [{ address: own, prefixLength: family.bits - 8 }] });
    }
  }

  take(s: number, event: RouterEvent<A>): void {
    this.talk.note(this.#router.receive(at(s), event));
  }

  say({ at: s, host, deed }: Step, name: string): void {
    const packet = this.talk.packet(host, deed);
    const mac = `02:00:00:00:00:0${host}`;
    if (name !== "up" && name !== "up2")
      this.take(s, { kind: "frame", name, port: `lan${1 + (host % 2)}`, bytes: this.#spoken.frame(mac, packet) });
    this.take(s, { kind: "packet", name, bytes: packet });
    this.talk.note([this.#router.routes(), this.#router.nextDeadline(), this.#router.intruders()]);
  }

  arrive(s: number, { source, group, inbound }: Stream, isKnown: boolean): void {
    const { sample } = this.#spoken;
    // Of the one link, of the other, and of neither.
    const from = source < 4 ? sample.source(source) : source < 7 ? sample.host(source) : sample.ssm(9);
    const stream = { source: from, group: this.talk.group(group), inbound };
    this.take(s, { kind: isKnown ? "wrong-interface" : "no-route", ...stream });
    this.take(s, {
      kind: "use",
      uses: this.#router.routes().map(({ source: one, group: of }) => ({
        source: one,
        group: of,
        packets: s % 3,
        bytes: s,
        wrong: s % 2,
      })),
    });
  }
}

const PREVIEW = { watch: seconds(20), perDay: 3, pause: seconds(10) };

const subnetOf = <A extends Address>(address: A, prefixLength: number) => ({ address, prefixLength });

const NAMES = ["lan", "wifi", "up", "up2"] as const;
const nameFrom = (below: Below): string => NAMES[below(NAMES.length)] ?? "lan";

const KINDS = [
  "send",
  "route",
  "unroute",
  "delivery",
  "joined",
  "left",
  "refused",
  "membership",
  "port-membership",
  "send-port",
  "intruder",
];

fuzz(
  "a router does with 16-octet addresses what it does with 4 octets",
  { seed: 4605, rounds: 2 },
  ({ below, rounds }) => {
    const seen = new Set<string | undefined>();
    for (let round = 0; round < rounds; round++) {
      const plays = [new Play(SPOKEN_V4), new Play(SPOKEN_V6)] as const;
      let s = 0;
      for (let step = 0; step < 400; step++) {
        s += below(8);
        const one = { at: s, host: below(8), deed: someDeed(below) };
        const name = nameFrom(below);
        const stream = { source: 1 + below(8), group: below(8), inbound: nameFrom(below) };
        const isKnown = below(4) === 0;
        for (const play of plays) {
          if (one.host !== OURS) play.say(one, name);
          play.arrive(s, stream, isKnown);
        }
        const [four, sixteen] = plays.map(({ talk }) => talk.log.splice(0));
        assert.deepEqual(sixteen, four, JSON.stringify([one, name, stream]));
        for (const line of four ?? []) seen.add(/^\{.*?"kind":"([a-z-]+)"/.exec(line)?.[1]);
      }
    }
    for (const kind of KINDS) assert.ok(seen.has(kind), kind);
  },
);
