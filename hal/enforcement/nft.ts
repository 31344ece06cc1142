// Guards bridge ports with nftables (family bridge): what the machine itself sends or routes to a port, and what it bridges. Frames with a
// VLAN tag pass unseen, as the rules read untagged IPv4.
import { spawn, spawnSync } from "node:child_process";
import { formatIpv4, ipv4, parseIpv4 } from "../../core/base/ipv4.ts";
import type { Subnet } from "../../core/base/subnet.ts";
import type { Duration } from "../../core/base/time.ts";
import type { Enforcement, GuardedPorts, GuardRules, Pass } from "../../core/ports/enforcement.ts";
import { HalError } from "../../core/ports/errors.ts";

const TABLE = "bridge sealcast";

/** Elements in one command: a line of some 30 octets each. */
const BATCH = 1024;

/** Through `nft -f -`, one process a batch: `nft -i` would save it, but is not there in the builds of small systems. */
export class NftEnforcement implements Enforcement {
  open(rules: GuardRules, failed: (error: HalError) => void): GuardedPorts {
    const found = run(["list", "set", ...TABLE.split(" "), "passes"]);
    if (found.error !== undefined) throw faultOf("", found.error);
    // Of another version, with other sets: nothing of it can be kept.
    if (run(["-f", "-"], ruleset(rules)).status === 0) return new NftGuardedPorts(passesIn(found.stdout), failed);
    const anew = run(["-f", "-"], `add table ${TABLE}\ndelete table ${TABLE}\n${ruleset(rules)}`);
    if (anew.status !== 0) throw faultOf(anew.stderr, undefined);
    return new NftGuardedPorts([], failed);
  }
}

/** Removes what a killed process left, for one that is not to guard anything; resolves in any case, as most machines have nothing there. */
export async function removeLeftGuard(): Promise<void> {
  await apply(`delete table ${TABLE}`);
}

class NftGuardedPorts implements GuardedPorts {
  readonly #inherited: readonly Pass[];
  readonly #failed: (error: HalError) => void;
  readonly #guarded = new Set<string>();
  readonly #waiting: string[] = [];
  #running: Promise<void> | undefined;

  constructor(inherited: readonly Pass[], failed: (error: HalError) => void) {
    this.#inherited = inherited;
    this.#failed = failed;
  }

  inherited(): readonly Pass[] {
    return this.#inherited;
  }

  guard(port: string, guarded: boolean): void {
    if (this.#guarded.has(port) === guarded) return;
    if (!isNameable(port)) {
      this.#failed(new HalError("enforcement.port-name", `nft cannot name the port ${port}`));
      return;
    }
    if (guarded) this.#guarded.add(port);
    else this.#guarded.delete(port);
    this.#do(elements(guarded ? "add" : "delete", "ports", [quoted(port)]));
  }

  change(added: readonly Pass[], removed: readonly Pass[]): void {
    const [plus, minus] = [texts(added), texts(removed)];
    // To delete what is not there is a fault to nft, to add what is there none.
    this.#do([...elements("add", "passes", [...plus, ...minus]), ...elements("delete", "passes", minus)]);
  }

  stand(span: Duration): void {
    const lasting = [`ip timeout ${Math.max(1, Math.round(span / 1000))}s`];
    // An element that is there keeps its time when it is added again.
    this.#do([
      ...elements("add", "standing", lasting),
      ...elements("delete", "standing", ["ip"]),
      ...elements("add", "standing", lasting),
    ]);
  }

  async close(): Promise<void> {
    this.#do([`delete table ${TABLE}`]);
    while (this.#running !== undefined) await this.#running;
  }

  #do(lines: readonly string[]): void {
    this.#waiting.push(...lines);
    this.#running ??= this.#work();
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Whatever else is said in this turn goes with it, as one transaction.
      await Promise.resolve();
      const error = await apply(this.#waiting.splice(0).join("\n"));
      if (error !== undefined) this.#failed(error);
    }
    this.#running = undefined;
  }
}

function ruleset({ groups, afterwards }: GuardRules): string {
  const pass = "oifname . ip daddr @passes accept";
  const gate = afterwards === "closed" ? [`ether type @standing ${pass}`] : ["ether type != @standing accept", pass];
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
    ...["chain output", "chain forward", "chain gate", "set guarded"].map(
      (one) => `flush ${one.replace(" ", ` ${TABLE} `)}`,
    ),
    ...elements("add", "guarded", groups.map(prefix)),
    ...["output", "forward"].map((one) => `add rule ${TABLE} ${one} oifname @ports ip daddr @guarded jump gate`),
    // A query goes to the group that it asks about (RFC 3376 4.1.12).
    ...["ip protocol igmp accept", ...gate, "counter drop"].map((one) => `add rule ${TABLE} gate ${one}`),
    "",
  ].join("\n");
}

function elements(what: "add" | "delete", set: string, all: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (let at = 0; at < all.length; at += BATCH)
    lines.push(`${what} element ${TABLE} ${set} { ${all.slice(at, at + BATCH).join(", ")} }`);
  return lines;
}

/** The kernel lets an interface be called by any characters but a slash, a colon and blanks; a star would be a pattern. */
const isNameable = (port: string): boolean => !/["*\\]/.test(port);

const quoted = (port: string): string => `"${port}"`;

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

const run = (words: readonly string[], input?: string) =>
  spawnSync("nft", words, { encoding: "utf8", ...(input === undefined ? {} : { input }) });

/** Resolves when it is in force, with what went wrong. */
function apply(commands: string): Promise<HalError | undefined> {
  return new Promise((resolve) => {
    const child = spawn("nft", ["-f", "-"], { stdio: ["pipe", "ignore", "pipe"] });
    let complaint = "";
    child.stderr.on("data", (text) => {
      complaint += String(text).slice(0, 4096 - complaint.length);
    });
    child.on("error", (error) => resolve(faultOf("", error)));
    child.on("close", (code) => resolve(code === 0 ? undefined : faultOf(complaint, undefined)));
    // It may end before it has read everything; its exit code tells.
    child.stdin.on("error", () => {});
    child.stdin.end(`${commands}\n`);
  });
}

function faultOf(complaint: string, cause: Error | undefined): HalError {
  const [line = ""] = complaint.split("\n");
  if (cause !== undefined)
    return new HalError("enforcement.missing", "the program nft does not run", {
      cause,
      needs: "the package nftables",
      alternative:
        "leave out `enforce.ports`: then hosts are refused, but not kept from what their neighbours on the bridge may have",
    });
  if (/not permitted|Permission denied/i.test(complaint))
    return new HalError("enforcement.permission", `nft may not guard bridge ports: ${line}`, {
      needs: "CAP_NET_ADMIN",
    });
  if (/not supported|No such file|module/i.test(complaint))
    return new HalError("enforcement.unsupported", `this kernel cannot guard bridge ports: ${line}`, {
      needs: "nftables with the family bridge (kmod-nft-bridge on OpenWrt)",
    });
  return new HalError("enforcement.refused", `nft refused a change: ${line}`);
}
