// What goes wrong in a run, chosen by the seed: one thing after another, each mended a while later.
import { after, type Duration, type Instant, instant, milliseconds } from "../../core/base/time.ts";
import { SeededEntropy } from "../../hal/entropy/seeded.ts";
import { CHANNEL_NAMES } from "./configuration.testkit.ts";
import { ROUTER_NAMES, SETTOP_NAMES, type SettopName } from "./figure-two.testkit.ts";
import type { World } from "./world.testkit.ts";

interface Mending {
  readonly at: Instant;
  readonly what: string;
  readonly mend: () => void | Promise<void>;
}

type Step = () => Broken;

/** What a step did: the thing that is out of order until `mend`, or nothing to mend. */
type Broken = { readonly what: string; readonly mend: () => void | Promise<void> } | undefined;

const BUS_FAULTS = {
  loss: 0.15,
  duplication: 0.15,
  delay: { least: milliseconds(1), most: milliseconds(120) },
};
const NO_BUS_FAULTS = { loss: 0, duplication: 0, delay: { least: milliseconds(1), most: milliseconds(1) } };
const LAN_FAULTS = { loss: 0.1, duplicate: 0.1, reorder: 0.1, reorderBy: milliseconds(230), jitter: milliseconds(20) };
const NO_LAN_FAULTS = { loss: 0, duplicate: 0, reorder: 0, jitter: milliseconds(0) };

export class Misfortune {
  readonly #world: World;
  readonly #entropy: SeededEntropy;
  readonly #mendings: Mending[] = [];
  readonly #viewers: readonly Step[] = [
    () => this.#tune(),
    () => this.#tune(),
    () => this.#zap(),
    () => this.#stopViewing(),
    () => this.#settopDies(),
    () => this.#settopLosesPower(),
    () => this.#settopStops(),
    () => this.#revoke(),
  ];
  readonly #data: readonly Step[] = [
    () => this.#routerDies(),
    () => this.#routerStops(),
    () => this.#headendDies(),
    () => this.#headendStops(),
    () => this.#lanIsBad(),
    () => this.#linkIsDown(),
  ];
  readonly #control: readonly Step[] = [
    () => this.#controlDies(),
    () => this.#commitFails(),
    () => this.#brokerStops(),
    () => this.#clientIsCut(),
    () => this.#busIsBad(),
    () => this.#rekey(),
  ];
  #revocations = 0;

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#entropy = new SeededEntropy(seed ^ 0x6d69_7366);
  }

  /** `where`: everywhere, or in the control plane only. */
  async happen(span: Duration, where: "everywhere" | "control"): Promise<void> {
    const steps = where === "control" ? this.#control : [...this.#viewers, ...this.#data, ...this.#control];
    const end = after(this.#world.now, span);
    while (this.#world.now < end) {
      await this.#world.run(this.#between(200, 3000));
      await this.#mend(this.#world.now);
      const broken = this.#pick(steps)();
      if (broken === undefined || this.#isBroken(broken.what)) continue;
      this.#mendings.push({ ...broken, at: after(this.#world.now, this.#between(1000, 9000)) });
    }
  }

  /** Everything runs and nothing is lost from here on. */
  async end(): Promise<void> {
    await this.#mend(instant(Number.POSITIVE_INFINITY));
  }

  async #mend(now: Instant): Promise<void> {
    const due = this.#mendings.filter(({ at }) => at <= now);
    for (const mending of due) {
      this.#mendings.splice(this.#mendings.indexOf(mending), 1);
      await mending.mend();
    }
  }

  #isBroken(what: string): boolean {
    return this.#mendings.some((mending) => mending.what === what);
  }

  #between(least: number, most: number): Duration {
    return milliseconds(Math.round(least + this.#entropy.below(most - least)));
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#entropy.below(from.length))] as T;
  }

  /** One that runs; undefined when the chosen one does not. */
  #settop(): SettopName | undefined {
    const name = this.#pick(SETTOP_NAMES);
    return this.#isBroken(name) ? undefined : name;
  }

  #tune(): Broken {
    const settop = this.#settop();
    if (settop !== undefined) this.#world.tune(settop, this.#pick(CHANNEL_NAMES));
    return undefined;
  }

  #zap(): Broken {
    const settop = this.#settop();
    if (settop !== undefined) this.#world.zap(settop, this.#pick(CHANNEL_NAMES));
    return undefined;
  }

  #stopViewing(): Broken {
    const settop = this.#settop();
    if (settop !== undefined) this.#world.stop(settop);
    return undefined;
  }

  #settopDies(): Broken {
    return this.#box(this.#settop(), "kill");
  }

  #settopStops(): Broken {
    return this.#box(this.#settop(), "stop");
  }

  #settopLosesPower(): Broken {
    const name = this.#settop();
    if (name === undefined) return undefined;
    const box = this.#world.settops[name];
    box.cutPower();
    return { what: name, mend: () => box.restorePower() };
  }

  #box(name: SettopName | undefined, how: "kill" | "stop"): Broken {
    if (name === undefined) return undefined;
    const box = this.#world.settops[name];
    box[how]();
    return { what: name, mend: () => box.start() };
  }

  #router(how: "kill" | "stop"): Broken {
    const name = this.#pick(ROUTER_NAMES);
    if (this.#isBroken(name)) return undefined;
    const box = this.#world.routers[name];
    box[how]();
    return { what: name, mend: () => box.start() };
  }

  #routerDies(): Broken {
    return this.#router("kill");
  }

  #routerStops(): Broken {
    return this.#router("stop");
  }

  #headend(how: "kill" | "stop"): Broken {
    if (this.#isBroken("headend")) return undefined;
    const { headend } = this.#world;
    headend[how]();
    return { what: "headend", mend: () => headend.start() };
  }

  #headendDies(): Broken {
    return this.#headend("kill");
  }

  #headendStops(): Broken {
    return this.#headend("stop");
  }

  #controlDies(): Broken {
    if (this.#isBroken("control")) return undefined;
    const { control } = this.#world;
    control.kill();
    return { what: "control", mend: () => control.start() };
  }

  /** The next transaction ends badly; a full disk stays full until it is mended. */
  #commitFails(): Broken {
    if (this.#isBroken("control")) return undefined;
    const { control } = this.#world;
    const fate = this.#pick(["dies-before", "dies-after", "full"] as const);
    control.fate = () => fate;
    return {
      what: "control",
      mend: async () => {
        control.fate = () => "commits";
        if (!control.runs) await control.start();
      },
    };
  }

  #brokerStops(): Broken {
    if (this.#isBroken("broker")) return undefined;
    const { broker } = this.#world.host;
    this.#world.host.say("the broker stops");
    broker.stop();
    return { what: "broker", mend: () => broker.start() };
  }

  #clientIsCut(): Broken {
    const client = this.#pick([...SETTOP_NAMES, ...ROUTER_NAMES, "headend", "key-server", "reception-server"]);
    this.#world.host.say(`${client} is cut from the broker`);
    this.#world.host.broker.cut(client);
    return undefined;
  }

  #busIsBad(): Broken {
    const { broker } = this.#world.host;
    broker.faults = BUS_FAULTS;
    return {
      what: "bus",
      mend: () => {
        broker.faults = NO_BUS_FAULTS;
      },
    };
  }

  #lanIsBad(): Broken {
    const [name, lan] = this.#pick(Object.entries(this.#world.network.lans));
    this.#world.host.say(`${name} is bad`);
    lan.setFaults(LAN_FAULTS);
    return { what: name, mend: () => lan.setFaults(NO_LAN_FAULTS) };
  }

  #linkIsDown(): Broken {
    const name = this.#pick(ROUTER_NAMES);
    const link = this.#pick([...this.#world.routers[name].node.interfaces()]);
    const what = `${name} ${link.name}`;
    if (this.#isBroken(what)) return undefined;
    link.setUp(false);
    return { what, mend: () => link.setUp(true) };
  }

  #rekey(): Broken {
    void this.#world.control.command("rekey", { channel: this.#pick(CHANNEL_NAMES) });
    return undefined;
  }

  /** At most one a run, and never the last of those who pay. */
  #revoke(): Broken {
    if (this.#revocations > 0 || this.#entropy.below(3) > 1) return undefined;
    this.#revocations++;
    void this.#world.control.command("device.revoke", { id: this.#pick(["settop-13", "settop-21"]) });
    return undefined;
  }
}
