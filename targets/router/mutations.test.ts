// The whole router on a simulated network, told mutated IGMP on both LANs and upstream, against a slow model of each LAN: what it asks, what
// it keeps, what it wants upstream and what it delivers are as the model has them after every message.
import assert from "node:assert/strict";
import * as v from "valibot";
import { toHex } from "../../core/base/bytes.ts";
import type { Below } from "../../core/base/chance.testkit.ts";
import { type FuzzPass, fuzz } from "../../core/base/fuzz.testkit.ts";
import { address, formatIpv4, type Ipv4, ipv4 } from "../../core/base/ipv4.ts";
import { after, milliseconds } from "../../core/base/time.ts";
import { checkPacket } from "../../core/igmp/messages/packet.ts";
import { readQuery } from "../../core/igmp/messages/query.ts";
import { RouterModel } from "../../core/igmp/model.testkit.ts";
import { hear } from "../../core/igmp/model-wire.testkit.ts";
import { GOOD_PACKETS, mutate, pick, repair } from "../../core/igmp/mutation.testkit.ts";
import { BridgeSettings } from "../../hal/bridge/settings.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { SimulatedForwarding } from "../../hal/forwarding/simulated.ts";
import { SimulatedIgmpSockets } from "../../hal/igmp/simulated.ts";
import { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { simulatedLinks } from "../../hal/links/simulated.ts";
import { SimulatedNetwork } from "../../hal/simulation/network.ts";
import type { SimulatedInterface } from "../../hal/simulation/node.ts";
import { SimulatedTaps } from "../../hal/tap/simulated.ts";
import { createLogger } from "../shared/log.ts";
import { routerConfig } from "./config.ts";
import { RouterService } from "./service.ts";
import { laterBy } from "./simulated.testkit.ts";

const isQuery = (packet: Uint8Array): boolean => packet[4 * ((packet[0] ?? 0) & 15)] === 0x11;
const STATEMENTS = GOOD_PACKETS.filter((packet) => !isQuery(packet));

/** One pass; `npm run fuzz` makes new ones for as long as it is told. */
const ROUNDS = 2000;
/** Between two looks at everything that is kept, which takes long. */
const LOOK_EVERY = 25;

const TIMES = { robustness: 2, queryInterval: 20_000, queryResponseInterval: 5000, lastMemberQueryInterval: 1000 };
const SECONDS = { robustness: 2, queryInterval: 20, queryResponseInterval: 5, lastMemberQueryInterval: 1 };
/** Nothing is refused for want of room: the model has no limits. */
const ROOM = {
  maxGroups: 65_536,
  maxSources: 4096,
  maxHostMemberships: 1_000_000,
  maxGroupsPerHost: 65_536,
  joinsPerSecond: 10_000,
  newHostsPerMinute: 1_000_000,
};
type Lan = "lan0" | "lan1";
const LANS: readonly Lan[] = ["lan0", "lan1"];

/** How the router is set up, and what it hears. */
interface Setting {
  /** By LAN, the router's address. */
  readonly addresses: Readonly<Record<Lan, Ipv4>>;
  readonly limits: object;
  /** Of the queries on lan1; lan0 has 3. */
  readonly lan1Version: 2 | 3;
  /** lan0 is a bridge with a tap on its port. */
  readonly bridged: boolean;
  /** One of so many queries is said on a LAN; else nobody's turn to ask would end before the next. */
  readonly queriesOneIn: number;
  /** The router asks at least once in so many rounds. */
  readonly asksOnceIn: number;
}
/** Nobody of the router's subnets is below it, so that no mutated query changes its times. */
const ALONE: Setting = {
  addresses: { lan0: address("10.2.0.0"), lan1: address("10.3.0.0") },
  limits: ROOM,
  lan1Version: 3,
  bridged: false,
  queriesOneIn: 1,
  asksOnceIn: 10,
};
/** On lan0 those who ask are below it. Every limit is as it comes: these are fewer newcomers, joins and groups than any of them. */
const AMONG_OTHERS: Setting = {
  addresses: { lan0: address("10.0.0.200"), lan1: address("10.3.0.0") },
  limits: {},
  lan1Version: 2,
  bridged: true,
  queriesOneIn: 4,
  asksOnceIn: 40,
};
/** Of lan0, where that is a bridge. */
const PORT = "port0";
/** The longest query interval taken over, in milliseconds. */
const MAX_QUERY_INTERVAL = 30_000;
const HEADEND = address("10.1.0.2");

interface Status {
  readonly interfaces: readonly {
    readonly name: Lan;
    readonly hosts: readonly { readonly port?: string }[];
    readonly querier: { readonly state: string; readonly address?: string };
    readonly groups: readonly {
      readonly group: string;
      readonly mode: "include" | "exclude";
      readonly sources: readonly string[];
      readonly requested: readonly string[];
      readonly version: number;
    }[];
  }[];
  readonly upstream: { readonly groups: readonly string[] };
}

const addresses = (list: readonly (number | string)[]): string =>
  list
    .map((one) => (typeof one === "string" ? one : formatIpv4(one as Ipv4)))
    .sort()
    .join(" ");

/** The groups of a model as the status shows them. */
const modelGroups = (model: RouterModel): string[] =>
  model.groups
    .map((group) => {
      const running = group.sources.filter(({ timer }) => timer > 0).map((one) => one.address);
      const ended = group.sources.filter(({ timer }) => timer === 0).map((one) => one.address);
      const { address: number, mode } = group;
      return `${formatIpv4(number as Ipv4)} v${model.mode(group)} ${mode} X={${addresses(running)}} Y={${addresses(ended)}}`;
    })
    .sort();

const statusGroups = (status: Status, lan: Lan): string[] =>
  (status.interfaces.find(({ name }) => name === lan)?.groups ?? [])
    .map(({ group, mode, sources, requested, version }) => {
      const blocked = mode === "exclude" ? sources : [];
      return `${group} v${version} ${mode.toUpperCase()} X={${addresses(requested)}} Y={${addresses(blocked)}}`;
    })
    .sort();

/** 6.3. */
function wants(model: RouterModel, group: Ipv4, source: Ipv4): boolean {
  const found = model.groups.find((one) => one.address === group);
  const timer = found?.sources.find((one) => one.address === source)?.timer;
  if (found === undefined) return false;
  return found.mode === "INCLUDE" ? (timer ?? 0) > 0 : timer !== 0;
}

/** What a router of homes asks for upstream: no link-local group (RFC 5771 section 4), no service of the LAN. */
const goesUp = (group: number): boolean => group >>> 8 !== 0xe00000 && group >>> 8 !== 0xefffff;

/** A router between a headend's network and two LANs, and a model of each of these. */
class Pair {
  readonly #below: Below;
  readonly #setting: Setting;
  readonly #clock = new SimulatedClock();
  readonly #service: RouterService;
  readonly #models: Readonly<Record<Lan, RouterModel>>;
  readonly #ends: Readonly<Record<Lan | "wan", SimulatedInterface>>;
  readonly #asked: Record<Lan, string[]> = { lan0: [], lan1: [] };
  readonly #delivered: Record<Lan, number> = { lan0: 0, lan1: 0 };
  #where = "";
  /** How much there was to compare. */
  readonly seen = { queries: 0, streams: 0, silences: 0 };

  constructor({ below, entropy }: FuzzPass, setting: Setting) {
    this.#below = below;
    this.#setting = setting;
    const { addresses: own, limits } = setting;
    const versions = { lan0: 3, lan1: setting.lan1Version } as const;
    const network = new SimulatedNetwork(this.#clock, entropy);
    const router = network.node("router");
    const outside = network.node("outside");
    const at = (name: Lan | "wan", ours: Ipv4, other: Ipv4): SimulatedInterface => {
      const lan = network.lan(name, { delay: milliseconds(0) });
      router.attach(name, { address: ours, lan: setting.bridged && name === "lan0" ? { [PORT]: lan } : lan });
      return outside.attach(name, { address: other, lan });
    };
    this.#ends = {
      wan: at("wan", address("10.1.0.1"), HEADEND),
      lan0: at("lan0", own.lan0, ipv4(own.lan0 + 9)),
      lan1: at("lan1", own.lan1, ipv4(own.lan1 + 9)),
    };
    const model = (lan: Lan) =>
      new RouterModel({ address: own[lan], version: versions[lan], ...TIMES, maxQueryInterval: MAX_QUERY_INTERVAL });
    this.#models = { lan0: model("lan0"), lan1: model("lan1") };
    outside.receivers.add((packet, { name }) => {
      if (name === "wan") return;
      if (packet.kind === "udp") this.#delivered[name as Lan]++;
      if (packet.kind === "igmp") this.#note(name as Lan, packet.bytes);
    });
    const config = v.parse(routerConfig, {
      id: "simulated",
      upstream: { interface: "wan", refresh: "off" },
      downstreams: LANS.map((name) => ({
        interface: name,
        version: versions[name],
        leave: "standard",
        ...limits,
        ...SECONDS,
        maxQueryInterval: MAX_QUERY_INTERVAL / 1000,
      })),
      maxRoutes: 65_536,
    });
    this.#service = new RouterService(config, {
      clock: this.#clock,
      entropy,
      later: laterBy(this.#clock),
      links: simulatedLinks(router),
      igmp: new SimulatedIgmpSockets(router),
      forwarding: new SimulatedForwarding(router),
      taps: setting.bridged ? new SimulatedTaps(router) : undefined,
      membershipReports: undefined,
      bridgeQueriers: new BridgeQueriers(new BridgeSettings({ root: "/nonexistent" })),
      log: createLogger({ level: "silent", format: "json", toStderr: true }, "router", "simulated"),
      fatal: (error) => assert.fail(error.message),
    });
  }

  #note(lan: Lan, bytes: Uint8Array): void {
    const packet = checkPacket(bytes);
    if (typeof packet === "string") assert.fail(packet);
    const { group, sources, suppress } = readQuery(packet);
    this.#asked[lan].push(`${this.#clock.now()} ${group} {${addresses(sources)}} ${suppress}`);
  }

  step(round: number): void {
    const { bytes, lan } = this.#message();
    this.#where = `round ${round}, ${lan}: ${toHex(bytes)}`;
    this.#pass(this.#below(1000));
    const source = ipv4(this.#below(2 ** 32));
    this.#ends[lan].transmit({ kind: "igmp", source, destination: address("224.0.0.22"), bytes });
    this.#pass(0);
    if (lan !== "wan") this.#hear(lan, bytes);
    this.#compareQueries();
    if (round % LOOK_EVERY === 0) this.#compareState();
  }

  #message(): { readonly bytes: Uint8Array; readonly lan: Lan | "wan" } {
    const lan = (["lan0", "lan1", "lan0", "lan1", "wan"] as const)[this.#below(5)] ?? "wan";
    const asks = this.#below(this.#setting.queriesOneIn) === 0;
    const bytes = mutate(pick(asks || lan === "wan" ? GOOD_PACKETS : STATEMENTS, this.#below), this.#below);
    if (this.#below(8) > 0) repair(bytes);
    return { bytes, lan };
  }

  #pass(ms: number): void {
    const until = after(this.#clock.now(), milliseconds(ms));
    this.#clock.runUntil(until);
    for (const lan of LANS) this.#models[lan].advance(until);
  }

  #hear(lan: Lan, bytes: Uint8Array): void {
    const own = this.#setting.addresses[lan];
    hear(this.#models[lan], own, bytes, (from) => from === 0 || from >>> 8 === own >>> 8);
  }

  #compareQueries(): void {
    // What the router has sent at this moment is in flight for no time at all.
    this.#clock.run(milliseconds(0));
    for (const lan of LANS) {
      const sent = this.#models[lan].sent.splice(0);
      const asked = sent.map(
        ({ at, group, sources, suppress }) => `${at} ${group} {${addresses(sources)}} ${suppress}`,
      );
      assert.deepEqual(this.#asked[lan].splice(0).sort(), asked.sort(), this.#where);
      this.seen.queries += asked.length;
    }
  }

  #compareState(): void {
    const status = this.#service.status() as unknown as Status;
    for (const lan of LANS) assert.deepEqual(statusGroups(status, lan), modelGroups(this.#models[lan]), this.#where);
    for (const { name, querier } of status.interfaces) this.#compareQuerier(name, querier);
    const wanted = new Set(LANS.flatMap((lan) => this.#models[lan].groups.map((one) => one.address)));
    const up = [...wanted].filter(goesUp);
    assert.equal(addresses(status.upstream.groups), addresses(up), this.#where);
    this.#stream(wanted);
  }

  #compareQuerier(lan: Lan, { state, address: asking }: Status["interfaces"][number]["querier"]): void {
    const { isQuerier, querier } = this.#models[lan];
    assert.equal(state, isQuerier ? "querier" : "non-querier", this.#where);
    if (querier === undefined) return;
    assert.equal(asking, formatIpv4(querier as Ipv4), this.#where);
    this.seen.silences++;
  }

  /** A packet of the headend to a group that somebody wants, or to any. */
  #stream(wanted: ReadonlySet<number>): void {
    const groups = [...wanted, address("239.1.1.1")];
    const group = groups[this.#below(groups.length)] as Ipv4;
    this.#delivered.lan0 = 0;
    this.#delivered.lan1 = 0;
    const ports = { sourcePort: 5000, destinationPort: 5000, bytes: Uint8Array.of(1) };
    this.#ends.wan.transmit({ kind: "udp", source: HEADEND, destination: group, ttl: 8, ...ports });
    this.#clock.run(milliseconds(0));
    for (const lan of LANS) {
      const due = goesUp(group) && wants(this.#models[lan], group, HEADEND);
      assert.equal(this.#delivered[lan], due ? 1 : 0, `${formatIpv4(group)} to ${lan}, ${this.#where}`);
      this.seen.streams += this.#delivered[lan];
    }
  }

  /** Hosts of lan0 whose port the tap has told. */
  tapped(): number {
    const { interfaces } = this.#service.status() as unknown as Status;
    return interfaces.flatMap(({ hosts }) => hosts).filter(({ port }) => port === PORT).length;
  }

  /** What the gate let through. */
  heard(): number {
    const { heard } = this.#service.status() as { heard: Readonly<Record<string, number>> };
    return Object.values(heard).reduce((sum, times) => sum + times, 0);
  }
}

function run(pass: FuzzPass, setting: Setting): Pair["seen"] {
  const pair = new Pair(pass, setting);
  for (let round = 0; round < pass.rounds; round++) pair.step(round);
  const { queries, streams } = pair.seen;
  assert.ok(pair.heard() > pass.rounds / 4, `${pair.heard()} passed the gate`);
  assert.ok(
    queries > pass.rounds / setting.asksOnceIn && streams > pass.rounds / 100,
    `${queries} queries, ${streams} streams`,
  );
  assert.equal(pair.tapped() > 0, setting.bridged, "hosts are known by their port");
  return pair.seen;
}

fuzz(
  "mutated messages to the whole router do on both LANs, upstream and to streams what a slow model says",
  { seed: 2236, rounds: ROUNDS },
  (pass) => {
    run(pass, ALONE);
  },
);

fuzz(
  "the same with every limit as it comes, a tapped bridge, a v2 LAN, and routers below it that ask, win and fall silent",
  { seed: 9776, rounds: ROUNDS },
  (pass) => {
    const { silences } = run(pass, AMONG_OTHERS);
    const looks = pass.rounds / LOOK_EVERY;
    assert.ok(silences > 0 && silences < looks, `another asked at ${silences} of ${looks} looks`);
  },
);
