// Settings of a bridge and its ports in /sys: changed while they are needed, and given back as they were found.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Remembers what it found in each file that it changed. */
export class BridgeSettings {
  readonly #root: string;
  readonly #found = new Map<string, string>();

  /** @param root the folder of the interfaces, each a folder of its name. */
  constructor(root = "/sys/class/net") {
    this.#root = root;
  }

  /** @param path from the root, "br0/bridge/multicast_snooping". Throws the system's error. */
  set(path: string, value: string): void {
    const file = join(this.#root, path);
    const before = readFileSync(file, "latin1").trim();
    if (before === value) return;
    // Not made where it is gone: outside /sys that would succeed.
    writeFileSync(file, value, { flag: "r+" });
    if (!this.#found.has(path)) this.#found.set(path, before);
  }

  /** At least so much; where there is no such setting, or it may not be changed, it stays as it is. */
  raise(path: string, least: number): void {
    try {
      if (Number(readFileSync(join(this.#root, path), "latin1")) < least) this.set(path, String(least));
    } catch {
      // A limit of the bridge's own, with which it works too.
    }
  }

  /** As it was found. A file that is gone, or may not be written any more, stays as it is. */
  restore(path: string): void {
    const before = this.#found.get(path);
    if (before === undefined) return;
    this.#found.delete(path);
    try {
      writeFileSync(join(this.#root, path), before, { flag: "r+" });
    } catch {
      // The port has left the bridge, or the bridge is gone: its settings went with it.
    }
  }

  /** Everything, what was changed last first. */
  restoreAll(): void {
    for (const path of [...this.#found.keys()].reverse()) this.restore(path);
  }
}
