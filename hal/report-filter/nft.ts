// Keeps hosts' reports from crossing bridges with nftables (family bridge). Only what is bridged passes this hook: the kernel's own
// snooping, sockets on the bridge and taps on its ports hear them before. By the names of ports, as not every kernel can tell the bridge.
//
// A frame passes it as it will leave. So one of a VLAN is known by its tag where it goes out with one, and by the port by which it goes out
// where that takes the tag away: of frames without a tag a bridge that keeps VLANs apart lets out by a port those of one VLAN.
//
// Ports are elements that end by themselves, so that a process that is killed leaves nothing that lasts; and each time they are named the
// whole table is, so that what another program takes away is back then.
import { readFileSync } from "node:fs";
import type { Duration } from "../../core/base/time.ts";
import { TYPE_OCTET } from "../../core/igmp/messages/offsets.ts";
import { HalError } from "../../core/ports/errors.ts";
import type {
  FilteredBridge,
  KeptPort,
  ReportFilter,
  ReportFilterListener,
  ReportFilters,
} from "../../core/ports/report-filter.ts";
import { isNameable, type NftUse, nft, nftElements, quoted, unnameable, withoutTable } from "../nft.ts";

const TABLE = "bridge sealcast_reports";

const USE: NftUse = {
  code: "report-filter",
  task: "keep reports from crossing a bridge",
  alternative: "run without proxy reporting (`proxyReporting: false`)",
};

const NO_TABLE = withoutTable(TABLE);

/** What a process that was killed left; resolves in any case, as most machines have nothing there. */
export async function removeLeftFilter(): Promise<void> {
  await nft(USE, NO_TABLE);
}

/** One table for all bridges. */
export class NftReportFilters implements ReportFilters {
  readonly #root: string;
  #open = 0;
  /** What was said is in force. */
  #done: Promise<unknown> = Promise.resolve();

  /** @param root the folder of the interfaces, each a folder of its name. */
  constructor(root = "/sys/class/net") {
    this.#root = root;
  }

  open(which: FilteredBridge, listener: ReportFilterListener): ReportFilter {
    this.#open++;
    return new NftReportFilter(listener, {
      vlan: which.vlan,
      fault: () => this.#unknownVlan(which),
      run: (lines) => this.#do(lines),
      end: (lines) => this.#close(lines),
    });
  }

  /** Such a bridge gives frames without a tag that of their port, and nobody has told us which. */
  #unknownVlan({ bridge, vlan }: FilteredBridge): HalError | undefined {
    if (vlan !== undefined || !keepsVlansApart(`${this.#root}/${bridge}`)) return undefined;
    return new HalError("report-filter.vlan", `${bridge} keeps VLANs apart, and it is not said which is ours`, {
      needs: "`vlan` of the downstream",
      alternative: USE.alternative,
    });
  }

  #close(lines: readonly string[]): ReturnType<typeof nft> {
    this.#open--;
    return this.#do(this.#open === 0 ? [NO_TABLE] : [...RULES, ...lines]);
  }

  /** One after the other. */
  #do(lines: readonly string[]): ReturnType<typeof nft> {
    const next = this.#done.then(() => inForce(lines));
    this.#done = next;
    return next;
  }
}

/** Where a table of another version stands in the way, all of it anew. */
async function inForce(lines: readonly string[]): ReturnType<typeof nft> {
  const first = await nft(USE, lines.join("\n"));
  return first.fault === undefined ? first : nft(USE, [NO_TABLE, ...lines].join("\n"));
}

function keepsVlansApart(folder: string): boolean {
  try {
    return readFileSync(`${folder}/bridge/vlan_filtering`, "latin1").trim() === "1";
  } catch {
    return false;
  }
}

type Do = (lines: readonly string[]) => ReturnType<typeof nft>;

interface Parts {
  readonly vlan: number | undefined;
  /** Why nothing can be kept as things are. */
  fault(): HalError | undefined;
  readonly run: Do;
  /** The same, for the last time. */
  readonly end: Do;
}

class NftReportFilter implements ReportFilter {
  readonly #listener: ReportFilterListener;
  readonly #parts: Parts;
  #ports: readonly KeptPort[] = [];
  #state: "waiting" | "in force" | "failed" | "closed" = "waiting";

  constructor(listener: ReportFilterListener, parts: Parts) {
    this.#listener = listener;
    this.#parts = parts;
  }

  keep(ports: readonly KeptPort[], span: Duration): void {
    const other = ports.find(({ port }) => !isNameable(port));
    const isTold = ports.every(({ vlan }) => vlan !== undefined);
    const refused = other !== undefined ? unnameable(USE, other.port) : isTold ? undefined : this.#parts.fault();
    if (refused !== undefined) {
      this.#fail(refused);
      return;
    }
    const now = new Set(ports.map(keyOf));
    const gone = this.#ports.filter((port) => !now.has(keyOf(port)));
    this.#ports = ports;
    const lasting = `timeout ${Math.max(1, Math.round(span / 1000))}s`;
    const lines = [...RULES, ...this.#without([...gone, ...ports]), ...this.#elements("add", ports, lasting)];
    void this.#parts.run(lines).then(({ fault }) => (fault === undefined ? this.#succeed() : this.#fail(fault)));
  }

  #succeed(): void {
    if (this.#state === "in force" || this.#state === "closed") return;
    this.#state = "in force";
    this.#listener.inForce();
  }

  #fail(fault: Parameters<ReportFilterListener["failed"]>[0]): void {
    if (this.#state === "failed" || this.#state === "closed") return;
    this.#state = "failed";
    this.#listener.failed(fault);
  }

  async close(): Promise<void> {
    this.#state = "closed";
    await this.#parts.end(this.#without(this.#ports));
  }

  /** To delete what is not there is a fault to nft, to add what is there none; and what is there keeps its time when it is added again. */
  #without(ports: readonly KeptPort[]): readonly string[] {
    return [...this.#elements("add", ports), ...this.#elements("delete", ports)];
  }

  #elements(what: "add" | "delete", ports: readonly KeptPort[], lasting = ""): readonly string[] {
    return Object.entries(setsFor(ports, this.#parts.vlan)).flatMap(([set, elements]) =>
      nftElements(
        what,
        TABLE,
        set,
        elements.map((element) => `${element} ${lasting}`),
      ),
    );
  }
}

/** By set of the table what of it is for these ports. @param configured the VLAN of ports of which it is not said */
function setsFor(ports: readonly KeptPort[], configured: number | undefined): Record<string, readonly string[]> {
  const tagged = ports.flatMap(({ port, vlan }) => {
    const id = vlan?.id ?? configured;
    return id === undefined ? [] : [`${quoted(port)} . ${id}`];
  });
  const of = (isMeant: (one: KeptPort) => boolean) => ports.filter(isMeant).map(({ port }) => quoted(port));
  return { tagged, untagged: of(({ vlan }) => vlan === undefined), access: of(({ vlan }) => vlan?.untagged === true) };
}

const keyOf = ({ port, vlan }: KeptPort): string => `${port} ${vlan?.id} ${vlan?.untagged}`;

const { v1Report, v2Report, v3Report, leave } = TYPE_OCTET;

/** `ether type` reads the frame as it is on the wire: of one with a tag it is not IPv4. */
const RULES = [
  `add table ${TABLE}`,
  `add set ${TABLE} untagged { type ifname; flags timeout; }`,
  `add set ${TABLE} access { type ifname; flags timeout; }`,
  `add set ${TABLE} tagged { typeof iifname . vlan id; flags timeout; }`,
  `add chain ${TABLE} reports`,
  `add chain ${TABLE} forward { type filter hook forward priority 0; policy accept; }`,
  `flush chain ${TABLE} forward`,
  `flush chain ${TABLE} reports`,
  `add rule ${TABLE} reports ether type ip iifname @untagged drop`,
  `add rule ${TABLE} reports ether type ip oifname @access drop`,
  `add rule ${TABLE} reports iifname . vlan id @tagged drop`,
  `add rule ${TABLE} forward meta l4proto igmp @th,0,8 { ${[v1Report, v2Report, v3Report, leave].join(", ")} } jump reports`,
];
