// Test support, run by `node` in a namespace: a router with the real drivers, and in place of control the lines of its standard input:
// "permit MAC GROUP", "forbid MAC", "away", "back"; and "reload JSON", another configuration. Its log goes to standard output.
import { createInterface } from "node:readline";
import * as v from "valibot";
import { address, type Ipv4 } from "../../core/base/ipv4.ts";
import { BridgeSettings } from "../../hal/bridge/settings.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { NftEnforcement } from "../../hal/enforcement/nft.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { LinuxForwarding } from "../../hal/forwarding/linux.ts";
import { RawIgmpSockets } from "../../hal/igmp/raw.ts";
import { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { linuxLinks } from "../../hal/links/linux.ts";
import { CapTaps } from "../../hal/tap/cap.ts";
import { runTapHelper, TAP_ARGUMENT } from "../../hal/tap/helper.ts";
import { createLogger } from "../shared/log.ts";
import { routerConfig } from "./config.ts";
import { type Control, RouterService } from "./service.ts";
import { CONNECTED } from "./simulated.testkit.ts";
import type { ControlStatus } from "./status.ts";

const [, script = "", first = "", device] = process.argv;

/** What the reception server would say, at once; while it is away, what was asked for last waits. */
class Word implements Control {
  readonly #groups = new Map<string, readonly Ipv4[]>();
  readonly #asked = new Set<string>();
  #tell: Parameters<Control["inquire"]>[1] = () => {};
  #isAway = false;

  inquire(macs: readonly string[], tell: Parameters<Control["inquire"]>[1]): void {
    this.#tell = tell;
    for (const mac of macs) this.#asked.add(mac);
    setImmediate(() => this.#answer());
  }

  heed(line: string): void {
    const [what, mac = "", group = ""] = line.split(" ");
    if (what === "permit") this.#groups.set(mac, [address(group)]);
    else if (what === "forbid") this.#groups.delete(mac);
    else this.#isAway = what === "away";
    this.#answer();
  }

  #answer(): void {
    if (this.#isAway || this.#asked.size === 0) return;
    const permits = Array.from(this.#asked, (mac) => ({ mac, groups: this.#groups.get(mac) ?? [] }));
    this.#asked.clear();
    this.#tell(permits);
  }

  add(): void {}
  policy(): void {}
  refused(): void {}
  status = (): ControlStatus => CONNECTED;
  async close(): Promise<void> {}
}

async function run(): Promise<void> {
  const [clock, entropy] = [systemClock, systemEntropy];
  const log = createLogger({ level: "info", format: "json", toStderr: false }, "router", "lab");
  const word = new Word();
  const fatal = (error: Error): never => {
    throw error;
  };
  const service = new RouterService(v.parse(routerConfig, JSON.parse(first)), {
    clock,
    entropy,
    log,
    later: setImmediate,
    links: linuxLinks,
    igmp: await RawIgmpSockets.load(),
    forwarding: await LinuxForwarding.load(),
    taps: new CapTaps({ clock, entropy, command: [process.execPath, script] }),
    membershipReports: word,
    enforcement: new NftEnforcement(),
    bridgeQueriers: new BridgeQueriers(new BridgeSettings()),
    fatal,
  });
  createInterface({ input: process.stdin }).on("line", (line) => {
    if (line.startsWith("reload ")) service.reload(v.parse(routerConfig, JSON.parse(line.slice("reload ".length))));
    else word.heed(line);
  });
  process.on("SIGTERM", () => void service.stop().then(() => process.exit(0)));
  log.info("running");
}

if (first === TAP_ARGUMENT && device !== undefined) void runTapHelper(device);
else void run();
