// Only what control permits, as the configuration in force has it: the guard of the bridge ports, and the file of what control has said.
import type { Alarm } from "../../core/base/alarm.ts";
import { after, type Duration, seconds } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Enforcement, GuardTerms, Pass } from "../../core/ports/enforcement.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";
import type { Links } from "../../core/ports/links.ts";
import type { RouterEvent } from "../../core/router/options.ts";
import type { KeptPermits } from "../../core/router/policy/permits.ts";
import { explain } from "../shared/exit.ts";
import type { Logger } from "../shared/log.ts";
import type { EnforceConfig } from "./config.ts";
import { PermitFile } from "./permit-file.ts";
import { PortGuard } from "./port-guard.ts";

/** What it stands on. */
export interface EnforcingPlatform {
  readonly clock: Clock;
  readonly log: Logger;
  readonly links: Links;
  /** undefined: hosts are refused, but not kept from what their neighbours have. */
  readonly enforcement?: Enforcement | undefined;
  /** undefined: in memory only. */
  readonly permitLog?: EvidenceLog | undefined;
  /** What the machine knows of what control permits. */
  kept(): KeptPermits | undefined;
  feed(event: RouterEvent & { kind: "guarded" | "restored" }): void;
}

/** A guard that cannot be had is tried again after so long. */
const TRY_AGAIN: Duration = seconds(30);

/** Follows the configuration until `close`; the machine has each before it is followed here. */
export class Enforcing {
  readonly #platform: EnforcingPlatform;
  readonly #downstreams: readonly string[];
  readonly #file: PermitFile | undefined;
  #wanted: EnforceConfig | undefined;
  #guard: PortGuard | undefined;
  #closing: Promise<void> | undefined;
  #fault: HalError | undefined;
  #again: Alarm | undefined;

  constructor(platform: EnforcingPlatform, downstreams: readonly string[]) {
    const { permitLog, kept } = platform;
    this.#platform = platform;
    this.#downstreams = downstreams;
    this.#file = permitLog && new PermitFile(permitLog, platform, kept);
  }

  /**
   * As it is at the start; what a predecessor guarded stays guarded. Throws HalError as `Enforcement.open` where a guard `mustBe`: who
   * wants one is not to run without it unawares.
   */
  start(enforce: EnforceConfig | undefined, mustBe: boolean): void {
    this.#wanted = enforce;
    if (enforce?.ports === true && mustBe) this.#open(enforce, "closed");
    else if (enforce?.ports === true) this.#tryToOpen(enforce, "closed");
    else this.#platform.enforcement?.removeLeft();
    if (enforce !== undefined) this.#restore();
  }

  /** As it is from now on. A guard that cannot be had is told and tried again; until then hosts are refused, and their neighbours are not. */
  follow(enforce: EnforceConfig | undefined): void {
    const isNew = this.#wanted === undefined && enforce !== undefined;
    this.#wanted = enforce;
    this.#settle();
    if (isNew) this.#restore();
  }

  #settle(): void {
    const wanted = this.#wanted;
    this.#again?.cancel();
    // A table that is being removed is not to be that of the next guard.
    if (this.#closing !== undefined) return;
    if (wanted?.ports !== true) this.#release();
    else if (this.#guard !== undefined) this.#guard.setTerms(termsOf(wanted));
    else this.#tryToOpen(wanted, "open");
  }

  #tryToOpen(enforce: EnforceConfig, first: "closed" | "open"): void {
    const { clock, log } = this.#platform;
    try {
      this.#open(enforce, first);
      this.#guard?.shut();
      this.#fault = undefined;
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      if (error.code !== this.#fault?.code) log.error({ code: error.code, needs: error.needs }, explain(error));
      this.#fault = error;
      this.#again = clock.alarm(after(clock.now(), TRY_AGAIN), () => this.#settle());
    }
  }

  /** While the router runs nobody who may receive is to miss what comes before the guard knows of it. */
  #open(enforce: EnforceConfig, first: "closed" | "open"): void {
    const { enforcement, links, log } = this.#platform;
    if (enforcement === undefined) return;
    const guard = new PortGuard(termsOf(enforce), this.#downstreams, { enforcement, links, log }, first);
    this.#guard = guard;
    this.#platform.feed({ kind: "guarded", passes: guard.inherited() });
  }

  #release(): void {
    const closing = this.#guard?.close();
    this.#guard = undefined;
    this.#fault = undefined;
    this.#closing = closing?.then(() => {
      this.#closing = undefined;
      this.#settle();
    });
  }

  /** What was permitted when a process ended, or when nothing was enforced any more, holds until it would have ended. */
  #restore(): void {
    const permits = this.#file?.load();
    if (permits !== undefined) this.#platform.feed({ kind: "restored", permits });
  }

  /** As `GuardedPorts.change`. */
  change(added: readonly Pass[], removed: readonly Pass[]): void {
    this.#guard?.change(added, removed);
  }

  /** As `GuardedPorts.stand`. */
  stand(span: Duration): void {
    this.#guard?.stand(span);
  }

  /** What control permits is something else than before. */
  changed(): void {
    this.#file?.changed();
  }

  /** Whether something would be left for the next process, or for nobody. */
  get isGuarding(): boolean {
    return this.#guard !== undefined;
  }

  /** As `PortGuard.state`; "not guarded" where no guard is wanted, the code of what is wrong where none can be had. */
  get state(): string {
    return this.#guard?.state ?? this.#fault?.code ?? "not guarded";
  }

  /** As `PortGuard.hasPorts`; undefined too where nothing guards. */
  hasPorts(name: string): boolean | undefined {
    return this.#guard?.hasPorts(name);
  }

  /** What control permits is on the disk when it resolves, or cannot be; the guard stays. */
  async save(): Promise<void> {
    this.#again?.cancel();
    await this.#file?.close();
  }

  /** The same, and nothing is guarded any more. */
  async close(): Promise<void> {
    this.#wanted = undefined;
    this.#settle();
    await Promise.all([this.save(), this.#closing]);
  }
}

const termsOf = ({ groups, afterwards }: EnforceConfig): GuardTerms => ({
  groups: groups.map(({ group, length }) => ({ address: group, prefixLength: length })),
  afterwards,
});
