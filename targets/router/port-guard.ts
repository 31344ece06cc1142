// The guard of the bridge ports of all downstreams: it follows ports as they come and go, and says what is wrong with it.
import type { Duration } from "../../core/base/time.ts";
import type { Enforcement, GuardedPorts, GuardTerms, Pass } from "../../core/ports/enforcement.ts";
import type { HalError } from "../../core/ports/errors.ts";
import type { Link, Links } from "../../core/ports/links.ts";
import { explain } from "../shared/exit.ts";
import type { Logger } from "../shared/log.ts";

/** What it stands on. */
export interface PortGuardPlatform {
  readonly enforcement: Enforcement;
  readonly links: Links;
  readonly log: Logger;
}

/** Until `close`. */
export class PortGuard {
  readonly #log: Logger;
  readonly #guard: GuardedPorts;
  readonly #unwatch: () => void;
  /** Of each downstream that is there. */
  readonly #ports = new Map<string, readonly string[]>();
  #guarded: ReadonlySet<string>;
  #isOpen: boolean;
  #fault: HalError | undefined;

  /**
   * Throws HalError as `Enforcement.open`. "closed": ports are guarded from the first moment; "open": from `shut` on, before which all
   * who may receive can be told.
   */
  constructor(
    terms: GuardTerms,
    downstreams: readonly string[],
    { enforcement, links, log }: PortGuardPlatform,
    first: "closed" | "open" = "closed",
  ) {
    this.#log = log;
    this.#isOpen = first === "open";
    for (const name of downstreams) this.#note(name, links.get(name));
    this.#guarded = this.#all();
    this.#guard = enforcement.open(
      { ...terms, ports: [...this.#guarded] },
      { failed: (error) => this.#failed(error), restored: () => this.#restored() },
    );
    this.#unwatch = links.watch(downstreams, (name, link) => {
      this.#note(name, link);
      this.#follow();
    });
  }

  /** From now on ports are guarded. */
  shut(): void {
    this.#isOpen = false;
    this.#follow();
  }

  /** What a predecessor let pass. */
  inherited(): readonly Pass[] {
    return this.#guard.inherited();
  }

  /** As `GuardedPorts.setTerms`. */
  setTerms(terms: GuardTerms): void {
    this.#guard.setTerms(terms);
  }

  /** As `GuardedPorts.change`. */
  change(added: readonly Pass[], removed: readonly Pass[]): void {
    this.#guard.change(added, removed);
  }

  /** As `GuardedPorts.stand`. */
  stand(span: Duration): void {
    this.#guard.stand(span);
  }

  /** "guarded", "nothing to guard" where no downstream is a bridge, or the code of what is wrong. */
  get state(): string {
    if (this.#fault !== undefined) return this.#fault.code;
    return this.#guarded.size === 0 ? "nothing to guard" : "guarded";
  }

  /** Whether the downstream has ports that could be guarded: without, its hosts share one wire. undefined while it is not there. */
  hasPorts(name: string): boolean | undefined {
    const ports = this.#ports.get(name);
    return ports && ports.length > 0;
  }

  async close(): Promise<void> {
    this.#unwatch();
    await this.#guard.close();
  }

  #all(): ReadonlySet<string> {
    return new Set(this.#isOpen ? [] : [...this.#ports.values()].flat());
  }

  #note(name: string, link: Link | undefined): void {
    if (link === undefined) this.#ports.delete(name);
    else this.#ports.set(name, link.ports);
  }

  /** A port that leaves may belong to a bridge that is not ours. */
  #follow(): void {
    const [before, now] = [this.#guarded, this.#all()];
    this.#guarded = now;
    for (const port of now) if (!before.has(port)) this.#guard.guard(port, true);
    for (const port of before) if (!now.has(port)) this.#guard.guard(port, false);
  }

  /** Once, until it is over or another fault. */
  #failed(error: HalError): void {
    if (error.code !== this.#fault?.code) this.#log.error({ code: error.code, needs: error.needs }, explain(error));
    this.#fault = error;
  }

  #restored(): void {
    this.#log.info("the guard of the bridge ports is in force again");
    this.#fault = undefined;
  }
}
