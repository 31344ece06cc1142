// What control permits, over the end of the process: a router that starts while control is away knows who may receive until the last word
// would have ceased to stand.
import * as v from "valibot";
import type { Alarm } from "../../core/base/alarm.ts";
import { formatIpv4, type Ipv4, ipv4, parseIpv4 } from "../../core/base/ipv4.ts";
import { after, type Duration, milliseconds, seconds, type UnixTime, wholeUnixTime } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";
import type { KeptPermits } from "../../core/router/policy/permits.ts";
import { explain } from "../shared/exit.ts";
import type { Logger } from "../shared/log.ts";
import { given } from "./config.ts";

/** Changes gather for so long: a whole house that is switched on is one write. */
const GATHER: Duration = seconds(10);

/** What it stands on. */
export interface PermitFilePlatform {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Writes what `kept` tells some seconds after `changed`, and at the end. */
export class PermitFile {
  readonly #file: EvidenceLog;
  readonly #platform: PermitFilePlatform;
  readonly #kept: () => KeptPermits | undefined;
  #alarm: Alarm | undefined;
  #writing: Promise<void> | undefined;
  #fault: HalError | undefined;

  constructor(file: EvidenceLog, platform: PermitFilePlatform, kept: () => KeptPermits | undefined) {
    this.#file = file;
    this.#platform = platform;
    this.#kept = kept;
  }

  /** What the process before has left, if it still stands. */
  load(): KeptPermits | undefined {
    const { lines, fault } = this.#file.load();
    if (fault !== undefined) this.#complain(fault);
    return readPermits(lines, this.#calendar());
  }

  /** What `kept` tells is something else than before. */
  changed(): void {
    const { clock } = this.#platform;
    this.#alarm ??= clock.alarm(after(clock.now(), GATHER), () => this.#write());
  }

  /** Resolves when all is on the disk, or cannot be. */
  async close(): Promise<void> {
    await this.#writing;
    if (this.#alarm !== undefined) this.#write();
    await this.#writing;
    this.#alarm?.cancel();
  }

  #write(): void {
    this.#alarm?.cancel();
    this.#alarm = undefined;
    const kept = this.#kept();
    if (this.#writing !== undefined) this.changed();
    else if (kept !== undefined) this.#writing = this.#replace(linesOf(kept, this.#calendar()));
  }

  async #replace(lines: readonly string[]): Promise<void> {
    try {
      await this.#file.replace(lines);
      this.#fault = undefined;
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      this.#complain(error);
    }
    this.#writing = undefined;
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

const group = v.pipe(
  v.string(),
  v.transform(parseIpv4),
  v.check((address) => address !== undefined),
  v.transform((address): Ipv4 => ipv4(address ?? 0)),
);

/** In Unix ms: when it was written, and until when the word of control stands. */
const headLine = v.strictObject({ saved: v.number(), until: v.number() });
/** Groups that some cards have together. */
const groupsLine = v.strictObject({ set: v.number(), groups: v.array(group) });
const cardLine = v.strictObject({ mac: v.string(), port: v.optional(v.string()), may: v.number() });
const line = v.union([headLine, groupsLine, cardLine]);

function parse(text: string): v.InferOutput<typeof line> | undefined {
  try {
    const { success, output } = v.safeParse(line, JSON.parse(text));
    return success ? output : undefined;
  } catch {
    return undefined;
  }
}

/** As lines; many cards have the same groups, which are written once. */
export function linesOf({ standsFor, cards }: KeptPermits, now: UnixTime): readonly string[] {
  const sets = new Map<string, number>();
  const lines: object[] = [{ saved: now, until: Math.round(now + standsFor) }];
  for (const { mac, port, groups } of cards) {
    const texts = groups.map(formatIpv4).sort();
    const known = sets.get(texts.join());
    const may = known ?? sets.size;
    if (known === undefined) lines.push({ set: may, groups: texts });
    sets.set(texts.join(), may);
    lines.push({ mac, ...given({ port }), may });
  }
  return lines.map((one) => JSON.stringify(one));
}

/** undefined when it stands no more, or when nothing tells how long. A line that is damaged is passed over. */
export function readPermits(lines: readonly string[], now: UnixTime): KeptPermits | undefined {
  const sets = new Map<number, readonly Ipv4[]>();
  const cards: KeptPermits["cards"][number][] = [];
  let standsFor = milliseconds(0);
  for (const text of lines) {
    const known = parse(text);
    if (known === undefined) continue;
    if ("until" in known) standsFor = left(known, now);
    else if ("set" in known) sets.set(known.set, known.groups);
    else {
      const { may, port, mac } = known;
      const groups = sets.get(may);
      if (groups !== undefined) cards.push({ mac, ...given({ port }), groups });
    }
  }
  return standsFor > 0 ? { standsFor, cards } : undefined;
}

/** A calendar that is behind, as without a clock that runs on while the power is off, must not lengthen it. */
const left = ({ saved, until }: v.InferOutput<typeof headLine>, now: UnixTime): Duration =>
  milliseconds(until - Math.max(saved, now));
