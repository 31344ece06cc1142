// A router's first viewers should not wait longest: before they come, a scratch router that touches nothing outside serves some of its
// own, so that the engine has seen the code and compiled it.
import { formatMac } from "../../core/base/ethernet.ts";
import { type Ipv4, ipv4 } from "../../core/base/ipv4.ts";
import { after, milliseconds } from "../../core/base/time.ts";
import { reportLength, writeReport } from "../../core/igmp/messages/report.ts";
import { V1_V2_LENGTH, writeV1V2Message } from "../../core/igmp/messages/v1-v2-message.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { SimulatedClock } from "../../hal/clock/simulated.ts";
import { createLogger } from "../shared/log.ts";
import { type RouterConfig, upstreamsOf } from "./config.ts";
import { type RouterPlatform, RouterService } from "./service.ts";
import { Stage } from "./stage.ts";

/** After so many a join takes a tenth of what the first one does; twice as many would cost twice the time, and gain little. */
const VIEWERS = 60;
/** Of them at the same time. */
const WATCHING = 10;
/** Between one and the next: some of their timers end. */
const PACE = milliseconds(250);
/** For so long a packet that comes meanwhile may have to wait. */
const SLICE = milliseconds(1);
/** A slow machine has better things to do. */
const LONGEST = milliseconds(500);

/** 10.128.0.1 and 239.192.0.1. */
const [FIRST_HOST, FIRST_GROUP] = [ipv4(0x0a800001), ipv4(0xefc00001)];

/** A scratch router with this configuration, whose viewers come and go when `serve` is called. */
class Rehearsal {
  readonly #stage = new Stage(() => this.#delivered++);
  /** Routes that led to a viewer. */
  #delivered = 0;
  readonly #clock = new SimulatedClock();
  readonly #service: RouterService;
  readonly #upstream: string;
  readonly #downstream: string;
  #served = 0;

  constructor(config: RouterConfig, entropy: Entropy) {
    const { igmp, forwarding, links } = this.#stage;
    const platform: RouterPlatform = {
      clock: this.#clock,
      entropy,
      later: (work) => void this.#clock.alarm(this.#clock.now(), work),
      links,
      igmp,
      forwarding: config.forwarding === "none" ? undefined : forwarding,
      taps: undefined,
      membershipReports: undefined,
      bridgeQueriers: { silence: () => false, restore() {} },
      log: createLogger({ level: "silent", format: "json", toStderr: true }, "rehearsal", undefined),
      fatal(error) {
        throw error;
      },
    };
    this.#upstream = upstreamsOf(config)[0]?.interface ?? "";
    this.#downstream = config.downstreams[0]?.interface ?? "";
    this.#service = new RouterService(config, platform);
  }

  /** One more viewer comes, the one before so many goes. True while there is more to learn from. */
  serve(): boolean {
    const number = this.#served++;
    this.#stage.stream(this.#upstream, groupOf(number));
    this.#stage.hear(this.#downstream, joinOf(number), macOf(number));
    if (number >= WATCHING) this.#stage.hear(this.#downstream, leaveOf(number - WATCHING), macOf(number - WATCHING));
    this.#clock.run(PACE);
    return this.#served < VIEWERS;
  }

  /** How many viewers got their stream. */
  end(): number {
    void this.#service.stop();
    return this.#delivered;
  }
}

const groupOf = (number: number): Ipv4 => ipv4(FIRST_GROUP + number);
const hostOf = (number: number): Ipv4 => ipv4(FIRST_HOST + number);
const macOf = (number: number): string => formatMac(Uint8Array.of(2, 0, 0, 0, number >> 8, number), 0);
/** Hosts of both kinds. */
const isThird = (number: number): boolean => number % 2 === 0;

function joinOf(number: number): Uint8Array {
  return isThird(number) ? changeOf(number, "to-ex") : shortOf(number, "v2Report");
}

function leaveOf(number: number): Uint8Array {
  return isThird(number) ? changeOf(number, "to-in") : shortOf(number, "leave");
}

function changeOf(number: number, type: "to-ex" | "to-in"): Uint8Array {
  const records = [{ type, group: groupOf(number), sources: [] }];
  return writeReport(new Uint8Array(reportLength(records)), hostOf(number), records);
}

const shortOf = (number: number, kind: "v2Report" | "leave"): Uint8Array =>
  writeV1V2Message(new Uint8Array(V1_V2_LENGTH), hostOf(number), kind, groupOf(number));

/** Rehearses in slices, between which `later` lets everything be heard that has come. How many viewers got their stream. */
export async function rehearse(
  config: RouterConfig,
  { clock, entropy }: { readonly clock: Clock; readonly entropy: Entropy },
  later: (work: () => void) => void,
): Promise<number> {
  const rehearsal = new Rehearsal(config, entropy);
  const end = after(clock.now(), LONGEST);
  let more = true;
  while (more && clock.now() < end) {
    const pause = after(clock.now(), SLICE);
    do more = rehearsal.serve();
    while (more && clock.now() < pause);
    await new Promise<void>((resolve) => later(resolve));
  }
  return rehearsal.end();
}
