// Guards bridge ports with nftables (family bridge): what the machine itself sends or routes to a port, and what it bridges. Frames with a
// VLAN tag pass unseen, as the rules read untagged IPv4.
import { formatIpv4, ipv4, parseIpv4 } from "../../core/base/ipv4.ts";
import type { Subnet } from "../../core/base/subnet.ts";
import { type Duration, seconds } from "../../core/base/time.ts";
import type {
  Enforcement,
  GuardedPorts,
  GuardListener,
  GuardRules,
  GuardTerms,
  Pass,
} from "../../core/ports/enforcement.ts";
import { HalError } from "../../core/ports/errors.ts";
import {
  isNameable,
  type NftUse,
  nft,
  nftElements,
  nftFault,
  quoted,
  runNft,
  unnameable,
  withoutTable,
} from "../nft.ts";

const TABLE = "bridge sealcast";

const USE: NftUse = {
  code: "enforcement",
  task: "guard bridge ports",
  alternative:
    "leave out `enforce.ports`: then hosts are refused, but not kept from what their neighbours on the bridge may have",
};

/** Between two looks at whether the guard is there: any program may flush all tables, as Debian's nftables service does at a restart. */
const LOOK_EVERY: Duration = seconds(5);

/** All bridges of the machine have one table. */
export class NftEnforcement implements Enforcement {
  readonly #lookEvery: Duration;

  constructor(lookEvery = LOOK_EVERY) {
    this.#lookEvery = lookEvery;
  }

  open(rules: GuardRules, listener: GuardListener): GuardedPorts {
    const found = runNft(["list", "set", ...TABLE.split(" "), "passes"]);
    if (found.error !== undefined) throw nftFault(USE, "", found.error);
    const guard = (passes: readonly Pass[]) => new NftGuardedPorts(rules, passes, listener, this.#lookEvery);
    // Of another version, with other sets: nothing of it can be kept.
    if (runNft(["-f", "-"], ruleset(rules)).status === 0) return guard(passesIn(found.stdout));
    const anew = runNft(["-f", "-"], `${NO_TABLE}\n${ruleset(rules)}`);
    if (anew.status !== 0) throw nftFault(USE, anew.stderr);
    return guard([]);
  }

  removeLeft(): void {
    void removeLeftGuard();
  }
}

/** Removes what a killed process left, for one that is not to guard anything; resolves in any case, as most machines have nothing there. */
export async function removeLeftGuard(): Promise<void> {
  await nft(USE, `delete table ${TABLE}`);
}

class NftGuardedPorts implements GuardedPorts {
  #terms: GuardTerms;
  readonly #inherited: readonly Pass[];
  readonly #listener: GuardListener;
  readonly #looking: NodeJS.Timeout;
  readonly #ports: Set<string>;
  /** By their text; those that nft can name. */
  readonly #passes: Set<string>;
  /** By performance.now(). */
  #standsUntil = 0;
  readonly #waiting: string[] = [];
  #isLookDue = false;
  #isBroken = false;
  #isClosed = false;
  #running: Promise<void> | undefined;

  constructor(rules: GuardRules, inherited: readonly Pass[], listener: GuardListener, lookEvery: Duration) {
    this.#terms = rules;
    this.#inherited = inherited;
    this.#listener = listener;
    this.#ports = new Set(rules.ports.filter(isNameable));
    this.#passes = new Set(texts(inherited));
    for (const port of rules.ports) if (!isNameable(port)) listener.failed(unnameable(USE, port));
    this.#looking = setInterval(() => this.#look(), lookEvery).unref();
  }

  inherited(): readonly Pass[] {
    return this.#inherited;
  }

  setTerms({ groups, afterwards }: GuardTerms): void {
    this.#terms = { groups, afterwards };
    this.#do([this.#ruleset()]);
  }

  #ruleset(): string {
    return ruleset({ ...this.#terms, ports: [...this.#ports] });
  }

  guard(port: string, guarded: boolean): void {
    if (this.#ports.has(port) === guarded) return;
    if (!isNameable(port)) {
      this.#listener.failed(unnameable(USE, port));
      return;
    }
    if (guarded) this.#ports.add(port);
    else this.#ports.delete(port);
    this.#do(elements(guarded ? "add" : "delete", "ports", [quoted(port)]));
  }

  change(added: readonly Pass[], removed: readonly Pass[]): void {
    const [plus, minus] = [texts(added), texts(removed)];
    for (const pass of plus) this.#passes.add(pass);
    for (const pass of minus) this.#passes.delete(pass);
    // To delete what is not there is a fault to nft, to add what is there none.
    this.#do([...elements("add", "passes", [...plus, ...minus]), ...elements("delete", "passes", minus)]);
  }

  stand(span: Duration): void {
    this.#standsUntil = performance.now() + span;
    const lasting = [standing(span)];
    // An element that is there keeps its time when it is added again.
    this.#do([
      ...elements("add", "standing", lasting),
      ...elements("delete", "standing", ["ip"]),
      ...elements("add", "standing", lasting),
    ]);
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#do([NO_TABLE]);
    while (this.#running !== undefined) await this.#running;
  }

  #look(): void {
    this.#isLookDue = true;
    this.#running ??= this.#work();
  }

  #do(lines: readonly string[]): void {
    this.#waiting.push(...lines);
    this.#running ??= this.#work();
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0 || this.#isLookDue) {
      // Whatever else is said in this turn goes with it, as one transaction.
      await Promise.resolve();
      const fault = await this.#takeTurn();
      if (fault !== undefined && !this.#isClosed) await this.#rebuild(fault);
    }
    this.#running = undefined;
  }

  /** What is wrong with what nft has now. */
  async #takeTurn(): Promise<HalError | undefined> {
    const isLookDue = this.#isLookDue && !this.#isClosed;
    this.#isLookDue = false;
    const fault = this.#waiting.length > 0 ? (await nft(USE, this.#waiting.splice(0).join("\n"))).fault : undefined;
    if (fault !== undefined || !isLookDue) return fault;
    const { fault: gone, output } = await nft(USE, ["output", "forward", "gate"].map(listed).join("\n"));
    return gone === undefined && isWhole(output) ? undefined : lost(gone);
  }

  /** All that was said, as one transaction. */
  async #rebuild(fault: HalError): Promise<void> {
    this.#waiting.length = 0;
    const left = this.#standsUntil - performance.now();
    const { fault: still } = await nft(
      USE,
      [
        NO_TABLE,
        this.#ruleset(),
        ...elements("add", "passes", [...this.#passes]),
        ...elements("add", "standing", left > 0 ? [standing(left)] : []),
      ].join("\n"),
    );
    // The next look tries again.
    const isNew = still !== undefined || !this.#isBroken;
    this.#isBroken = still !== undefined;
    if (isNew) this.#listener.failed(still ?? (fault.code === "enforcement.lost" ? fault : lost(fault)));
    if (still === undefined) this.#listener.restored();
  }
}

const NO_TABLE = withoutTable(TABLE);

const listed = (chain: string): string => `list chain ${TABLE} ${chain}`;

/** Whether the three chains that were listed have their rules. */
const isWhole = (text: string): boolean =>
  text.split("jump gate").length === 3 && text.includes("@passes") && text.includes("drop");

/** Seconds are what nft counts in. */
const standing = (span: number): string => `ip timeout ${Math.max(1, Math.round(span / 1000))}s`;

const lost = (cause: HalError | undefined): HalError =>
  new HalError("enforcement.lost", "another program took away the guard of the bridge ports, or a part of it", {
    ...(cause === undefined ? {} : { cause }),
    needs: "that what reloads the firewall leaves the table `bridge sealcast` alone: no `flush ruleset`",
  });

function ruleset({ groups, afterwards, ports }: GuardRules): string {
  const pass = "oifname . ip daddr @passes accept";
  const gate =
    afterwards === "closed" ? [`meta protocol @standing ${pass}`] : ["meta protocol != @standing accept", pass];
  return [
    `add table ${TABLE}`,
    `add set ${TABLE} guarded { type ipv4_addr; flags interval; auto-merge; }`,
    `add set ${TABLE} ports { type ifname; }`,
    `add set ${TABLE} passes { type ifname . ipv4_addr; }`,
    // One element, the EtherType of IPv4: a switch that the kernel turns off by itself.
    `add set ${TABLE} standing { type ether_type; flags timeout; }`,
    `add chain ${TABLE} gate`,
    `add chain ${TABLE} output { type filter hook output priority 0; policy accept; }`,
    `add chain ${TABLE} forward { type filter hook forward priority 0; policy accept; }`,
    ...["chain output", "chain forward", "chain gate", "set guarded", "set ports"].map(
      (one) => `flush ${one.replace(" ", ` ${TABLE} `)}`,
    ),
    ...elements("add", "guarded", groups.map(prefix)),
    ...elements("add", "ports", ports.filter(isNameable).map(quoted)),
    ...["output", "forward"].map((one) => `add rule ${TABLE} ${one} oifname @ports ip daddr @guarded jump gate`),
    // A query goes to the group that it asks about (RFC 3376 4.1.12).
    ...["ip protocol igmp accept", ...gate, "counter drop"].map((one) => `add rule ${TABLE} gate ${one}`),
    "",
  ].join("\n");
}

const elements = (what: "add" | "delete", set: string, all: readonly string[]): readonly string[] =>
  nftElements(what, TABLE, set, all);

const texts = (passes: readonly Pass[]): readonly string[] =>
  passes.filter(({ port }) => isNameable(port)).map(({ port, group }) => `${quoted(port)} . ${formatIpv4(group)}`);

const prefix = ({ address, prefixLength }: Subnet): string => `${formatIpv4(address)}/${prefixLength}`;

/** The passes that `nft list set` shows. */
function passesIn(text: string): readonly Pass[] {
  return Array.from(text.matchAll(/"([^"]+)" \. ([\d.]+)/g), ([, port = "", group = ""]) => ({
    port,
    group: ipv4(parseIpv4(group) ?? 0),
  }));
}
