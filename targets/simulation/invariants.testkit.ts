// What must hold in every run, whatever fails: checked after every simulated second, and once more when all is well again.
import { toHex } from "../../core/base/bytes.ts";
import { after, type Instant, seconds } from "../../core/base/time.ts";
import type { UsageRecordRow } from "../../core/ports/tables.ts";
import { CHANNEL_NAMES, type ChannelName } from "./configuration.testkit.ts";
import { SETTOP_NAMES, type SettopName } from "./figure-two.testkit.ts";
import type { World } from "./world.testkit.ts";

/** A grant that was decided before a revocation may still be on its way. */
const IN_FLIGHT = seconds(1);

const shown = (row: object): string =>
  JSON.stringify(row, (_, value) => (value instanceof Uint8Array ? toHex(value) : value));

/** Throws an Error that names the rule, the device and the moment. */
export class Invariants {
  readonly #world: World;
  readonly #records = new Map<string, string>();
  /** Receptions that a set-top was permitted, with the device. */
  readonly #granted = new Map<string, string>();
  readonly #journalled = new Map<SettopName, ReadonlySet<string>>();
  readonly #revoked = new Map<SettopName, Instant>();
  readonly #live = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
    world.everySecond = () => this.check();
  }

  /** From now on the device must get no key. What the store says of it is seen without this, up to a second late. */
  revoked(settop: SettopName): void {
    if (!this.#revoked.has(settop)) this.#revoked.set(settop, this.#world.now);
  }

  isEntitled(settop: SettopName): boolean {
    return settop !== "stranger" && !this.#revoked.has(settop);
  }

  check(): void {
    for (const { id, status } of this.#world.control.rows("device"))
      if (status === "revoked") this.revoked(id as SettopName);
    this.#tellReceptions();
    this.#recordsStay();
    for (const settop of SETTOP_NAMES) {
      this.#receptionsStay(settop);
      this.#darkHasReason(settop);
    }
    this.#keysStayAway();
  }

  /** Rule 2: nobody pays twice for the same time. Rule 4: two switches after a revocation nothing is shown. */
  checkEnd(): void {
    this.check();
    this.#noTimeTwice();
    for (const [settop, at] of this.#revoked) {
      for (const channel of CHANNEL_NAMES) {
        const [, second] = this.switchesAfter(channel, at);
        const last = this.#world.settops[settop].screen.lastAt(CHANNEL_NAMES.indexOf(channel));
        if (second !== undefined && last !== undefined && last > after(second, IN_FLIGHT))
          this.#fail(4, `${settop} still showed ${channel} at ${last}, revoked at ${at}`);
      }
    }
  }

  /** When the headend first used each new key of the channel, after `at`. */
  switchesAfter(channel: ChannelName, at: Instant): readonly Instant[] {
    const ssrc = this.#world.headend.ssrcOf(channel);
    const uses = [...this.#world.headend.keys.uses.values()].filter((use) => use.ssrc === ssrc && use.first > at);
    return uses.map(({ first }) => first).sort((a, b) => a - b);
  }

  /** Into the log: who receives what, when it changes. */
  #tellReceptions(): void {
    const rows = this.#world.control.rows("live_reception");
    const now = new Map(rows.map(({ reception, device, channel }) => [reception, `${device} ${channel}`]));
    for (const [reception, who] of now) {
      if (!this.#live.has(reception)) this.#world.host.say(`reception of ${who} is live: ${reception}`);
      this.#live.set(reception, who);
    }
    for (const reception of this.#live.keys()) if (!now.has(reception)) this.#live.delete(reception);
  }

  /** Rule 2: a usage record never changes and never goes, and what has one is not live. */
  #recordsStay(): void {
    const now = new Map(this.#world.control.rows("usage_record").map((row) => [row.reception, shown(row)]));
    for (const [reception, before] of this.#records)
      if (now.get(reception) !== before) this.#fail(2, `usage record ${before} became ${now.get(reception)}`);
    for (const [reception, row] of now) {
      if (!this.#records.has(reception)) this.#world.host.say(`usage ${row}`);
      this.#records.set(reception, row);
    }
    for (const { reception } of this.#world.control.rows("live_reception"))
      if (now.has(reception)) this.#fail(2, `${reception} is live and closed`);
  }

  /** Rule 2: what was permitted is on record; what was acknowledged as stopped has its usage record. */
  #receptionsStay(settop: SettopName): void {
    const box = this.#world.settops[settop];
    for (const { viewing } of box.channels())
      if (viewing.verdict.kind === "granted") this.#granted.set(viewing.reception, settop);
    const live = new Set(this.#world.control.rows("live_reception").map(({ reception }) => reception));
    for (const [reception, device] of this.#granted)
      if (!live.has(reception) && !this.#records.has(reception)) this.#fail(2, `${reception} of ${device} is lost`);
    const journal = new Set(box.journal.load().entries.map(({ reception }) => toHex(reception)));
    for (const reception of this.#journalled.get(settop) ?? [])
      if (!journal.has(reception) && this.#granted.has(reception) && !this.#records.has(reception))
        this.#fail(2, `${settop} forgot ${reception}, which has no usage record`);
    this.#journalled.set(settop, journal);
  }

  /** Rule 6. */
  #darkHasReason(settop: SettopName): void {
    const { now } = this.#world;
    const box = this.#world.settops[settop];
    for (const { channel, dark, viewing } of box.channels()) {
      const last = box.screen.lastAt(CHANNEL_NAMES.indexOf(channel as ChannelName));
      const age = last === undefined ? viewing.age : Math.min(viewing.age, now - last);
      if (dark === undefined && age > 2200 && viewing.age > 2200) this.#fail(6, `${settop} is dark without a reason`);
      if (dark !== undefined && last !== undefined && now - last < 1000 && viewing.age > 2000)
        this.#fail(6, `${settop} shows ${channel} and says ${dark.reason}: ${dark.text}`);
    }
  }

  /** Rule 4: neither the stranger nor a revoked device gets a key that the headend uses. */
  #keysStayAway(): void {
    const { uses } = this.#world.headend.keys;
    for (const [key] of this.#world.settops.stranger.keys.since)
      if (uses.has(key)) this.#fail(4, "the stranger has a key");
    for (const [settop, at] of this.#revoked)
      for (const [key, since] of this.#world.settops[settop].keys.since)
        if (since > after(at, IN_FLIGHT) && uses.has(key)) this.#fail(4, `${settop} got a key after its revocation`);
  }

  #noTimeTwice(): void {
    const last = new Map<string, UsageRecordRow>();
    const rows = [...this.#world.control.rows("usage_record")].sort((a, b) => a.since - b.since || a.until - b.until);
    for (const row of rows) {
      const screen = `${row.device} ${row.channel}`;
      const before = last.get(screen);
      if (before !== undefined && before.until > row.since)
        this.#fail(2, `${screen} pays twice: ${shown(before)} and ${shown(row)}`);
      last.set(screen, row);
    }
  }

  #fail(rule: number, what: string): never {
    throw new Error(`rule ${rule} at ${this.#world.now} ms: ${what}`);
  }
}
