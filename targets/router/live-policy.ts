// Control's policy in a running router: taken or refused as a whole, kept on the disk, told to control and to whoever asks for the status.
import type { Alarm } from "../../core/base/alarm.ts";
import { after, seconds, type UnixTime, wholeUnixTime } from "../../core/base/time.ts";
import type { PolicyState } from "../../core/control/messages.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";
import type { Fault } from "../shared/config.ts";
import { explain } from "../shared/exit.ts";
import type { Logger } from "../shared/log.ts";
import type { RouterConfig } from "./config.ts";
import { conflicts, type InForce, inForce } from "./in-force.ts";
import type { MembershipReports } from "./membership-reports.ts";
import { faultText, type RouterPolicy, readPolicy } from "./policy.ts";
import { PolicyFile } from "./policy-file.ts";
import { isSound } from "./warnings.ts";

/** What it stands on. */
export interface LivePolicyPlatform {
  readonly clock: Clock;
  readonly log: Logger;
  /** undefined: there is no way to control. */
  readonly control: Pick<MembershipReports, "policy"> | undefined;
  /** undefined: in memory only. */
  readonly policyLog: EvidenceLog | undefined;
  /** How the guard of the bridge ports is, as `EnforceStatus.ports` has it. */
  guard(): string;
}

/** For status. */
export interface LivePolicyStatus {
  readonly revision: number;
  readonly since: UnixTime | undefined;
  readonly remarks: readonly string[];
  readonly refused: PolicyState["refused"];
  /** "on disk", "in memory", or the code of the error for which it is in memory only. */
  readonly kept: string;
}

interface Held {
  readonly revision: number;
  readonly since: UnixTime;
  readonly text: string;
  readonly policy: RouterPolicy;
}

const NO_POLICY: RouterPolicy = { upstreams: [], downstreams: [] };
/** What the disk did not take is offered again after so long. */
const WRITE_AGAIN = seconds(60);
/** Faults that are told; of more there is one sentence. */
const MOST_TOLD = 15;
const NOT_HEARD = {
  path: "policy.fromControl",
  message: "is false: this router takes its policy from its own configuration only",
};

/** One that nobody has refused stays in force until a newer one is. */
export class LivePolicy {
  readonly #platform: LivePolicyPlatform;
  readonly #policyFile: PolicyFile | undefined;
  readonly #changed: (inForce: InForce) => readonly string[];
  #config: RouterConfig;
  #held: Held | undefined;
  #refused: NonNullable<PolicyState["refused"]> | undefined;
  #inForce: InForce;
  /** Entries of it that wait for the next start. */
  #waiting: readonly string[] = [];
  #fault: HalError | undefined;
  #writing: Promise<void> | undefined;
  #writeAgain: Alarm | undefined;

  /** What was kept is in force at once; `changed` hears what is from `start` on, and says which entries wait for the next start. */
  constructor(config: RouterConfig, platform: LivePolicyPlatform, changed: (inForce: InForce) => readonly string[]) {
    const { policyLog } = platform;
    this.#platform = platform;
    this.#changed = changed;
    this.#config = config;
    const { id: router, reception } = config;
    this.#policyFile =
      policyLog === undefined || reception === undefined
        ? undefined
        : new PolicyFile(policyLog, { router, server: reception.publicKey });
    if (config.policy.fromControl) this.#load();
    this.#inForce = inForce(config, this.#policy);
  }

  /** The configuration as it is in force, and which of its entries are control's. */
  get inForce(): InForce {
    return this.#inForce;
  }

  /** Tells control what is in force, and takes what it answers. */
  start(): void {
    this.#tell();
  }

  /** The file has changed. Throws HalError "policy.conflict" when control's policy cannot go with it; then all stays as it was. */
  reload(config: RouterConfig): void {
    const isHeard = config.policy.fromControl;
    const faults = isHeard && this.#held !== undefined ? conflicts(config, this.#held.policy) : [];
    if (faults.length > 0) throw conflict(faults);
    this.#config = config;
    if (isHeard && this.#held === undefined) this.#load();
    // What could not be may be possible now.
    this.#refused = undefined;
    this.#apply();
    this.#tell();
  }

  status(): LivePolicyStatus {
    const { revision, since } = this.#heldIfHeard ?? { revision: 0, since: undefined };
    return { revision, since, remarks: this.#remarks, refused: this.#refused, kept: this.#kept };
  }

  /** Resolves when what is in force is on the disk, or cannot be. */
  async close(): Promise<void> {
    await this.#writing;
    this.#writeAgain?.cancel();
  }

  get #heldIfHeard(): Held | undefined {
    return this.#config.policy.fromControl ? this.#held : undefined;
  }

  get #policy(): RouterPolicy {
    return this.#heldIfHeard?.policy ?? NO_POLICY;
  }

  get #kept(): string {
    return this.#policyFile === undefined ? "in memory" : (this.#fault?.code ?? "on disk");
  }

  get #remarks(): readonly string[] {
    const isLost = this.#held !== undefined && this.#kept !== "on disk";
    const lost = isLost ? [`a restart while control is away would not know it (${this.#kept})`] : [];
    const waiting = this.#waiting.map((entry) => `${entry}: the bridge's ports have it from the next start on`);
    return [...this.#inForce.remarks, ...waiting, ...this.#unguarded, ...lost];
  }

  /** Whoever gave it is to know that neighbours of those who may receive do too. */
  get #unguarded(): readonly string[] {
    if (!this.#inForce.byControl.has("enforce")) return [];
    const guard = this.#platform.guard();
    return isSound(guard) ? [] : [`enforce: the bridge ports are not guarded as they should be (${guard})`];
  }

  #load(): void {
    const { kept, fault } = this.#policyFile?.load() ?? {};
    if (fault !== undefined) this.#complain(fault);
    if (kept === undefined) return;
    const read = this.#read(kept.text);
    if ("faults" in read) this.#refuse(kept.revision, read.faults);
    else this.#held = { ...kept, policy: read.policy };
  }

  #read(text: string): { readonly policy: RouterPolicy } | { readonly faults: readonly Fault[] } {
    const checked = readPolicy(text);
    if (!checked.ok) return { faults: checked.faults };
    const faults = conflicts(this.#config, checked.config);
    return faults.length > 0 ? { faults } : { policy: checked.config };
  }

  #heard(revision: number, text: string): void {
    const read = this.#config.policy.fromControl ? this.#read(text) : { faults: [NOT_HEARD] };
    if ("faults" in read) {
      this.#refuse(revision, read.faults);
      this.#tell();
    } else this.#take({ revision, since: this.#calendar(), text, policy: read.policy });
  }

  #take(held: Held): void {
    this.#held = held;
    this.#refused = undefined;
    this.#apply();
    const { byControl, remarks } = this.#inForce;
    const entries = [...byControl];
    this.#platform.log.info({ revision: held.revision, entries, remarks }, "control's policy is in force");
    this.#write(() => this.#tell());
  }

  #apply(): void {
    this.#inForce = inForce(this.#config, this.#policy);
    this.#waiting = this.#changed(this.#inForce).filter((entry) => this.#inForce.byControl.has(entry));
  }

  #refuse(revision: number, faults: readonly Fault[]): void {
    const more = faults.length > MOST_TOLD ? [`and ${faults.length - MOST_TOLD} more`] : [];
    this.#refused = { revision, faults: [...faults.slice(0, MOST_TOLD).map(faultText), ...more] };
    this.#platform.log.warn({ revision, faults: this.#refused.faults }, "control's policy cannot be in force here");
  }

  #tell(): void {
    const { revision, since, remarks, refused } = this.status();
    const state: PolicyState = {
      revision,
      ...(since === undefined ? {} : { since }),
      ...(remarks.length === 0 ? {} : { remarks: remarks.slice(0, MOST_TOLD).map((one) => one.slice(0, 200)) }),
      ...(refused === undefined ? {} : { refused }),
    };
    this.#platform.control?.policy(state, (newer, text) => this.#heard(newer, text));
  }

  /** One write at a time: of what comes meanwhile the last follows. */
  #write(done: () => void): void {
    const [file, held] = [this.#policyFile, this.#held];
    this.#writeAgain?.cancel();
    if (file === undefined || held === undefined) {
      done();
      return;
    }
    const before = this.#writing ?? Promise.resolve();
    const writing = before.then(() => this.#replace(file, held)).then(done);
    this.#writing = writing;
  }

  async #replace(file: PolicyFile, held: Held): Promise<void> {
    if (held !== this.#held) return;
    try {
      await file.keep(held);
      this.#fault = undefined;
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      this.#complain(error);
      const { clock } = this.#platform;
      this.#writeAgain = clock.alarm(after(clock.now(), WRITE_AGAIN), () => this.#write(() => this.#tell()));
    }
  }

  /** Once, until it is over or another fault. */
  #complain(fault: HalError): void {
    if (fault.code !== this.#fault?.code)
      this.#platform.log.warn({ code: fault.code, needs: fault.needs }, explain(fault));
    this.#fault = fault;
  }

  #calendar(): UnixTime {
    const { clock } = this.#platform;
    return wholeUnixTime(clock.unix(clock.now()));
  }
}

const conflict = (faults: readonly Fault[]): HalError =>
  new HalError("policy.conflict", `control's policy cannot go with it: ${faults.map(faultText).join("; ")}`, {
    alternative: "`policy.fromControl: false`, or another policy of control first",
  });
