import type { Address } from "../base/address.ts";
import type { Ipv4 } from "../base/ipv4.ts";
import type { Subnet } from "../base/subnet.ts";
import type { Duration } from "../base/time.ts";
import type { HalError } from "./errors.ts";

/** What may leave by a bridge port. */
export interface Pass<A extends Address = Ipv4> {
  readonly port: string;
  readonly group: A;
}

/** What is guarded, and what becomes of it when nobody has said anything for too long. */
export interface GuardTerms {
  /** Groups that leave a guarded port by a pass only. */
  readonly groups: readonly Subnet[];
  /** Once the last word no longer stands: everything leaves, or nothing does. So it is before the first word too. */
  readonly afterwards: "open" | "closed";
}

/** The same, and where. */
export interface GuardRules extends GuardTerms {
  /** Guarded from the first moment; none that a predecessor guarded besides stays so. */
  readonly ports: readonly string[];
}

/** What becomes of the guard; a machine's other programs may take it away. */
export interface GuardListener {
  /** "enforcement.lost": somebody took it away. "enforcement.port-name": that port cannot be guarded. Else as `Enforcement.open`. */
  failed(error: HalError): void;
  /** All that was said is in force again. */
  restored(): void;
}

/**
 * The guard of bridge ports, ours while it is open. It outlives a process that is killed, and so do its passes; then the machine itself
 * counts how long the last word stands. Calls take effect in their order, soon. What fails or is lost is told, and put in force again as
 * a whole, until it is.
 */
export interface GuardedPorts {
  /** The passes that a predecessor left. */
  inherited(): readonly Pass[];
  /** Other terms, at once; passes stay, and what was said last stands as long as it would have. */
  setTerms(terms: GuardTerms): void;
  /** Guards a port, or no longer. A port that nobody guards lets everything out. */
  guard(port: string, guarded: boolean): void;
  /** Adds and takes away; what is there already, or not, is no fault. */
  change(added: readonly Pass[], removed: readonly Pass[]): void;
  /** The passes stand for so long from now, 1 s at least. */
  stand(span: Duration): void;
  /** Nothing is guarded any more; resolves when it is so. */
  close(): Promise<void>;
}

/** Drivers: nft (nftables, family bridge), simulated. */
export interface Enforcement {
  /**
   * Takes over what a predecessor left. Throws HalError "enforcement.missing" (no nft program), "enforcement.permission",
   * "enforcement.unsupported" (by this kernel), "enforcement.refused".
   */
  open(rules: GuardRules, listener: GuardListener): GuardedPorts;
  /** Removes what a predecessor left, for one that guards nothing; no fault where nothing is left. */
  removeLeft(): void;
}
