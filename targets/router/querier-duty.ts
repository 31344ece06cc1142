// Who asks on the downstreams, as the log tells it; while we ask, a bridge's own querier is silent.
import { formatIpv4 } from "../../core/base/ipv4.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Links } from "../../core/ports/links.ts";
import type { RouterEffect } from "../../core/router/options.ts";
import type { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { explain } from "../shared/exit.ts";
import type { Logger } from "../shared/log.ts";
import { whereText } from "./status-of.ts";

/** What it takes. */
export interface QuerierDutyParts {
  readonly links: Links;
  readonly log: Logger;
  readonly bridgeQueriers: Pick<BridgeQueriers, "silence">;
}

/** Of all downstreams. */
export class QuerierDuty {
  readonly #parts: QuerierDutyParts;
  readonly #deferring: ReadonlySet<string>;
  /** Bridges whose own querier may not be turned off, of which the log has told. */
  readonly #unsilenced = new Set<string>();

  /** @param deferring those on which another querier is as it should be. */
  constructor(parts: QuerierDutyParts, deferring: ReadonlySet<string> = new Set()) {
    this.#parts = parts;
    this.#deferring = deferring;
  }

  /** Another querier is a fault to look into: a warning that names it. */
  changed({ name, ours, address, mac, port }: RouterEffect & { kind: "querier" }): void {
    const { log } = this.#parts;
    if (ours) this.#silenceBridge(name);
    if (ours || address === undefined) {
      const text = address === undefined ? undefined : formatIpv4(address);
      log.info({ interface: name, ours, address: text }, ours ? "we are the querier" : "nobody asks");
    } else {
      log[this.#deferring.has(name) ? "info" : "warn"](
        { interface: name, ours, ...whereText(this.#parts, name, { address, mac, port }) },
        "we are not the querier",
      );
    }
  }

  /** What the machine refuses does not keep us from asking: two queriers are a fault to tell, once for each interface. */
  #silenceBridge(name: string): void {
    const { bridgeQueriers, links, log } = this.#parts;
    // Of all VLANs of a bridge it is one.
    const bridge = links.get(name)?.bridge ?? name;
    try {
      if (bridgeQueriers.silence(bridge)) log.info({ interface: name }, "the bridge's own querier is off while we ask");
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      if (this.#unsilenced.has(name)) return;
      this.#unsilenced.add(name);
      log.warn({ interface: name, code: error.code }, explain(error));
    }
  }
}
