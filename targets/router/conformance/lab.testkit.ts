// For lab tests: one router bundle with as many LANs as a file has cases, so that none waits for another; its state read from its socket.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { type Actor, act, cable, inside, ip, makeNamespaces, removeNamespaces } from "../namespaces.testkit.ts";
import { type Frame, type Heard, until, Wire, type WireRecord } from "./wire.testkit.ts";

const isRoot = process.getuid?.() === 0;
/** Why a lab test cannot run here; false when it can. */
export const skip = !isRoot
  ? "needs root for network namespaces"
  : !existsSync("dist/router.cjs")
    ? "needs npm run build"
    : !existsSync("/usr/lib/python3/dist-packages/scapy") && "needs python3-scapy: ./scripts/setup installs it";

const LIMIT = 20_000;
/** Of the source's network. */
export const HEADEND = "10.1.0.2";
/** Everybody behind every LAN wants it, so that its packets show that those before them have been decided upon. */
const SENTINEL = "239.10.99.99";
/** The kernel keeps so many streams whose route is asked for, and drops others. */
const UNRESOLVED = 8;

/** The fields of a status that are read here. */
export interface Status {
  readonly interfaces: readonly {
    readonly name: string;
    readonly querier: { readonly state: string; readonly address?: string };
    readonly groups: readonly {
      readonly group: string;
      readonly mode: "include" | "exclude";
      readonly sources: readonly string[];
      readonly requested: readonly string[];
      readonly version: number;
    }[];
    readonly hosts: readonly Readonly<Record<string, unknown>>[];
  }[];
  readonly upstream?: { readonly groups: readonly string[]; readonly version: number };
  readonly routes: readonly { readonly source: string; readonly group: string; readonly outbound: readonly string[] }[];
  readonly heard: Readonly<Record<string, number>>;
  readonly drops: Readonly<Record<string, number>>;
}

/** 192.0.2.n, as the Linux selftests have them; other addresses as they are. */
export const sourceText = (source: number | string): string =>
  typeof source === "number" ? `192.0.2.${source}` : source;

/** A record with sources by number. */
export const record = (type: string | number, group: string, ...sources: readonly (number | string)[]): WireRecord => [
  type,
  group,
  sources.map(sourceText),
];

const short = (list: readonly string[]): string =>
  list
    .map((one) => one.replace("192.0.2.", ""))
    .sort((a, b) => Number(a) - Number(b))
    .join(" ");

/** A LAN of the lab by its number: the router is .5, the frames' host .77, the kernel's host .11. */
export const LAN = {
  router: (n: number): string => `10.${20 + n}.0.5`,
  host: (n: number): string => `10.${20 + n}.0.11`,
  frames: (n: number): string => `10.${20 + n}.0.77`,
  at: (n: number, host: number): string => `10.${20 + n}.0.${host}`,
} as const;

/** A router, its upstream network and its LANs. */
export class Lab {
  readonly #prefix: string;
  readonly #router: string;
  readonly hosts: Wire;
  readonly uplink: Wire;
  readonly #file: string;
  #config: Record<string, unknown>;
  #process: Actor | undefined;
  #sentinels = 0;

  private constructor(prefix: string, lans: number, config: Record<string, unknown>) {
    this.#prefix = prefix;
    this.#router = `${prefix}-r`;
    this.#file = `/tmp/${prefix}.json`;
    this.#config = config;
    this.#build(lans);
    this.hosts = new Wire(
      `${prefix}-l`,
      Array.from({ length: lans }, (_, n) => `eth${n}`),
    );
    this.uplink = new Wire(`${prefix}-s`, ["eth0"]);
  }

  /** One downstream for each of `lans`, which are entries of the configuration; `more` is the rest of it. */
  static async start(name: string, lans: readonly object[], more: Record<string, unknown> = {}): Promise<Lab> {
    const prefix = `${name}-${process.pid}`;
    const downstreams = lans.map((lan, n) => ({ interface: `lan${n}`, leave: "standard", ...lan }));
    const lab = new Lab(prefix, lans.length, {
      id: "lab-router",
      upstream: { interface: "up0" },
      downstreams,
      ...more,
    });
    await Promise.all([lab.hosts.ready(), lab.uplink.ready()]);
    await lab.#run();
    return lab;
  }

  #build(lans: number): void {
    const [router, hosts, source] = this.#namespaces as [string, string, string];
    makeNamespaces(this.#namespaces);
    cable(router, "up0", source, "eth0");
    const addresses: [string, string, string][] = [
      [router, "up0", "10.1.0.1"],
      [source, "eth0", HEADEND],
    ];
    for (let n = 0; n < lans; n++) {
      cable(router, `lan${n}`, hosts, `eth${n}`);
      addresses.push([router, `lan${n}`, LAN.router(n)], [hosts, `eth${n}`, LAN.host(n)]);
    }
    for (const [namespace, name, text] of addresses) ip("-n", namespace, "addr", "add", `${text}/24`, "dev", name);
  }

  get #namespaces(): readonly string[] {
    return ["r", "l", "s"].map((short) => `${this.#prefix}-${short}`);
  }

  async #run(): Promise<void> {
    this.#write();
    this.#process = act(this.#router, process.execPath, "dist/router.cjs", "--config", this.#file);
    await this.#process.saw(/"msg":"running"/, LIMIT);
  }

  #write(): void {
    const log = { level: "info", format: "json" };
    writeFileSync(this.#file, JSON.stringify({ ...this.#config, socket: `/tmp/${this.#prefix}.sock`, log }));
  }

  /** Other entries for the LANs, taken over by a running router. */
  async reload(change: (downstream: Record<string, unknown>, n: number) => object): Promise<void> {
    const downstreams = (this.#config.downstreams as Record<string, unknown>[]).map((one, n) => ({
      ...one,
      ...change(one, n),
    }));
    this.#config = { ...this.#config, downstreams };
    this.#write();
    const { router } = this;
    const from = router.lines.length;
    router.process.kill("SIGHUP");
    await router.saw(/configuration reloaded/, LIMIT, from);
  }

  get router(): Actor {
    return this.#process ?? assert.fail("no router runs");
  }

  /** Runs a program in the router's namespace. */
  atRouter(...command: readonly string[]): string {
    return inside(this.#router, ...command);
  }

  /** Ends it as `signal` does, and starts another one. */
  async restart(signal: "SIGINT" | "SIGKILL"): Promise<void> {
    const { process: child } = this.router;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
    await this.#run();
  }

  async close(): Promise<void> {
    await removeNamespaces(this.#namespaces);
    rmSync(this.#file, { force: true });
  }

  async status(): Promise<Status> {
    try {
      return JSON.parse(await get(`/tmp/${this.#prefix}.sock`)) as Status;
    } catch (cause) {
      const { process: child, lines } = this.router;
      const end = child.exitCode ?? child.signalCode ?? "none yet";
      throw new Error(`no status; the router's end: ${end}; its last lines:\n${lines.slice(-20).join("\n")}`, {
        cause,
      });
    }
  }

  /** "include 1 2 3", "exclude 1 2 / 20 21" (X and Y of RFC 3376 6.4), or "nothing". */
  async state(n: number, group: string): Promise<string> {
    const { groups } = (await this.#lan(n)) ?? assert.fail(`no lan${n}`);
    const found = groups.find((one) => one.group === group);
    if (found === undefined) return "nothing";
    if (found.mode === "include") return `include ${short(found.requested)}`;
    return `exclude ${short(found.requested)} / ${short(found.sources)}`;
  }

  async #lan(n: number) {
    return (await this.status()).interfaces.find(({ name }) => name === `lan${n}`);
  }

  /** Waits until a LAN wants that of a group. */
  async reaches(n: number, group: string, wanted: string): Promise<void> {
    let last = "";
    await until(
      `${wanted} of ${group} on lan${n}`,
      async () => {
        last = await this.state(n, group);
        return last === wanted;
      },
      () => last,
    );
  }

  /** Hosts of a LAN say something by frames. */
  says(n: number, ...frames: readonly (Omit<Frame, "src"> & { src?: string })[]): Promise<void> {
    return this.hosts.put(`eth${n}`, ...frames.map((frame) => ({ src: LAN.frames(n), ...frame })));
  }

  /** One v3 report of a host of a LAN. */
  reports(n: number, ...records: readonly WireRecord[]): Promise<void> {
    return this.says(n, { kind: "report3", records });
  }

  /** The kernel host of a LAN. */
  kernel(what: "join" | "leave" | "block" | "unblock", n: number, group: string, source?: string): Promise<void> {
    return this.hosts.host(what, `eth${n}`, LAN.host(n), group, source);
  }

  /** The kernel host of a LAN speaks this version; 0: as it is asked. */
  speaks(n: number, version: 0 | 1 | 2 | 3): void {
    inside(this.hosts.namespace, "sysctl", "-qw", `net.ipv4.conf.eth${n}.force_igmp_version=${version}`);
  }

  /** What the router asks on a LAN about a group, since `from`. */
  questions(n: number, group: string, from: number): readonly Heard[] {
    return this.hosts.heard((one) => one.on === `eth${n}` && isQuestion(one, group), from);
  }

  /** Waits for so many questions on a LAN about a group. */
  asks(n: number, group: string, from: number, times: number): Promise<readonly Heard[]> {
    const wanted = (one: Heard): boolean => one.on === `eth${n}` && isQuestion(one, group);
    return this.hosts.hears(`questions about ${group} on lan${n}`, wanted, from, times);
  }

  /** A packet to `group` from each of these comes from upstream: those whose packets a LAN gets. */
  async delivered(
    n: number,
    group: string,
    sources: readonly (number | string)[],
  ): Promise<readonly (number | string)[]> {
    const arrived: (number | string)[] = [];
    for (let i = 0; i < sources.length; i += UNRESOLVED)
      arrived.push(...(await this.#deliver(n, group, sources.slice(i, i + UNRESOLVED))));
    return arrived;
  }

  async #deliver(
    n: number,
    group: string,
    sources: readonly (number | string)[],
  ): Promise<readonly (number | string)[]> {
    const last = await this.#sentinel(n);
    const from = this.hosts.now;
    const packets = sources.map(
      (source) => ({ kind: "udp", src: sourceText(source), dst: group, text: last }) as const,
    );
    // A stream of its own: the router is asked about it after those before.
    const sentinel = { kind: "udp", src: `198.51.100.${this.#sentinels}`, dst: SENTINEL, text: last } as const;
    await this.uplink.put("eth0", ...packets, sentinel);
    const onLan = (one: Heard): boolean => one.on === `eth${n}` && one.text === last;
    await this.hosts.hears("the sentinel", (one) => onLan(one) && one.dst === SENTINEL, from);
    const got = this.hosts.heard((one) => onLan(one) && one.dst === group, from).map(({ src }) => src);
    return sources.filter((source) => got.includes(sourceText(source)));
  }

  async #sentinel(n: number): Promise<string> {
    this.#sentinels += 1;
    await this.reports(n, record("to-ex", SENTINEL));
    await this.reaches(n, SENTINEL, "exclude  / ");
    return `packet ${this.#sentinels}`;
  }

  /** How often each reason was counted since an earlier status. */
  async drops(before: Status): Promise<Readonly<Record<string, number>>> {
    const { drops } = await this.status();
    const grown = Object.entries(drops).map(
      ([reason, times]) => [reason, times - (before.drops[reason] ?? 0)] as const,
    );
    return Object.fromEntries(grown.filter(([, times]) => times > 0));
  }

  /** Waits until the router has read everything that was put on a LAN before: it has a later report. */
  async hasHeard(n: number): Promise<void> {
    this.#sentinels += 1;
    const group = `239.10.98.${this.#sentinels}`;
    await this.reports(n, record("to-ex", group));
    await this.reaches(n, group, "exclude  / ");
  }
}

const isQuestion = ({ kind, group, src, on }: Heard, about: string): boolean =>
  kind === "query" && group === about && src === LAN.router(Number(on.slice(3)));

/** What a process says on its local socket. */
function get(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path: "/status" }, (incoming) => {
      let text = "";
      incoming.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      incoming.on("end", () => resolve(text));
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}
