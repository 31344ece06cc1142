// While our querier asks on a bridge, the bridge's own querier is silent: the lower address would win, and it may be its 0.0.0.0.
import { HalError } from "../../core/ports/errors.ts";
import type { BridgeSettings } from "../bridge/settings.ts";

/** The file is not there, is no bridge's, or its interface goes while it is open. */
const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ENODEV"]);
const REFUSED: ReadonlySet<string> = new Set(["EPERM", "EACCES", "EROFS"]);

const SETTING = "/bridge/multicast_querier";

/** Gives the bridges that it silenced their voice back, and those that a killed predecessor silenced. */
export class BridgeQueriers {
  readonly #settings: BridgeSettings;

  constructor(settings: BridgeSettings) {
    this.#settings = settings;
  }

  /**
   * True when the bridge's querier was on and is off now; false when there was nothing to do. Throws HalError "bridge.permission"
   * when we may not write, "bridge.failed" for anything else: its querier then goes on asking beside ours.
   */
  silence(bridge: string): boolean {
    try {
      return this.#settings.set(`${bridge}${SETTING}`, "0");
    } catch (cause) {
      if (isGone(cause)) return false;
      throw querierError(bridge, "off", cause);
    }
  }

  /** Gives back what was taken; `failed` hears of each bridge that is there and stays silent, with the codes of `silence`. */
  restore(failed: (bridge: string, error: HalError) => void): void {
    for (const path of this.#settings.changed().filter((one) => one.endsWith(SETTING))) {
      const cause = this.#settings.restore(path);
      const bridge = path.slice(0, -SETTING.length);
      if (cause !== undefined && !isGone(cause)) failed(bridge, querierError(bridge, "on", cause));
    }
  }
}

const errnoOf = (cause: unknown): string => (cause as NodeJS.ErrnoException)?.code ?? String(cause);

const isGone = (cause: unknown): boolean => GONE.has(errnoOf(cause));

function querierError(bridge: string, wanted: "on" | "off", cause: unknown): HalError {
  const errno = errnoOf(cause);
  const message = `cannot turn ${wanted} the querier of bridge ${bridge} (${errno})`;
  if (!REFUSED.has(errno)) return new HalError("bridge.failed", message, { cause });
  return new HalError("bridge.permission", message, {
    cause,
    needs: `write access to /sys/class/net/${bridge}${SETTING}: root of the network namespace, and /sys not mounted read-only`,
    alternative: `turn it ${wanted} by hand: ip link set ${bridge} type bridge mcast_querier ${wanted === "on" ? 1 : 0}`,
  });
}
