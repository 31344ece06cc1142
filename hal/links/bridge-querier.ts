// While our querier asks on a bridge, the bridge's own querier is silent: the lower address would win, and it may be its 0.0.0.0.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Remembers which bridges it silenced, and gives them their voice back. */
export class BridgeQueriers {
  readonly #root: string;
  readonly #silenced = new Set<string>();

  constructor(root = "/sys/class/net") {
    this.#root = root;
  }

  /** True when the bridge's querier was on and is off now; false when there was nothing to do or it may not be written. */
  silence(bridge: string): boolean {
    const file = this.#file(bridge);
    try {
      if (readFileSync(file, "latin1").trim() !== "1") return false;
      writeFileSync(file, "0");
    } catch {
      return false;
    }
    this.#silenced.add(bridge);
    return true;
  }

  /** Gives back what was taken; a bridge that is gone needs nothing. */
  restore(): void {
    for (const bridge of this.#silenced) {
      try {
        writeFileSync(this.#file(bridge), "1");
      } catch {
        // The bridge was removed meanwhile.
      }
    }
    this.#silenced.clear();
  }

  #file(bridge: string): string {
    return join(this.#root, bridge, "bridge", "multicast_querier");
  }
}
