// While our querier asks on a bridge, the bridge's own querier is silent: the lower address would win, and it may be its 0.0.0.0.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HalError } from "../../core/ports/errors.ts";

/** The file is not there, is no bridge's, or its interface goes while it is open. */
const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ENODEV"]);
const REFUSED: ReadonlySet<string> = new Set(["EPERM", "EACCES", "EROFS"]);

/** Remembers which bridges it silenced, and gives them their voice back. */
export class BridgeQueriers {
  readonly #root: string;
  readonly #silenced = new Set<string>();

  /** @param root the folder of the interfaces, each a folder of its name. */
  constructor(root = "/sys/class/net") {
    this.#root = root;
  }

  /**
   * True when the bridge's querier was on and is off now; false when there was nothing to do. Throws HalError "bridge.permission"
   * when we may not write, "bridge.failed" for anything else: its querier then goes on asking beside ours.
   */
  silence(bridge: string): boolean {
    const file = this.#file(bridge);
    try {
      if (readFileSync(file, "latin1").trim() !== "1") return false;
      writeFileSync(file, "0");
    } catch (cause) {
      if (isGone(cause)) return false;
      throw querierError(bridge, file, "off", cause);
    }
    this.#silenced.add(bridge);
    return true;
  }

  /** Gives back what was taken; `failed` hears of each bridge that is there and stays silent, with the codes of `silence`. */
  restore(failed: (bridge: string, error: HalError) => void): void {
    for (const bridge of this.#silenced) {
      const file = this.#file(bridge);
      try {
        // Not made where it is gone: outside /sys that would succeed.
        writeFileSync(file, "1", { flag: "r+" });
      } catch (cause) {
        if (!isGone(cause)) failed(bridge, querierError(bridge, file, "on", cause));
      }
    }
    this.#silenced.clear();
  }

  #file(bridge: string): string {
    return join(this.#root, bridge, "bridge", "multicast_querier");
  }
}

const errnoOf = (cause: unknown): string => (cause as NodeJS.ErrnoException)?.code ?? String(cause);

const isGone = (cause: unknown): boolean => GONE.has(errnoOf(cause));

function querierError(bridge: string, file: string, wanted: "on" | "off", cause: unknown): HalError {
  const errno = errnoOf(cause);
  const message = `cannot turn ${wanted} the querier of bridge ${bridge} (${errno})`;
  if (!REFUSED.has(errno)) return new HalError("bridge.failed", message, { cause });
  return new HalError("bridge.permission", message, {
    cause,
    needs: `write access to ${file}: root of the network namespace, and /sys not mounted read-only`,
    alternative: `turn it ${wanted} by hand: ip link set ${bridge} type bridge mcast_querier ${wanted === "on" ? 1 : 0}`,
  });
}
