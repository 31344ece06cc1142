// One viewing's data plane: tuner, playout and output, driven by the machine's effects.
import type { Duration } from "../../core/base/time.ts";
import { overwriteKeys } from "../../core/control/epoch-key.ts";
import type { Ciphers } from "../../core/ports/cipher.ts";
import type { Output } from "../../core/ports/output.ts";
import type { Primitives } from "../../core/ports/primitives.ts";
import type { Channel, SettopEffect, SettopEvent } from "../../core/settop/events.ts";
import { Playout, type PlayoutStatus } from "../../core/settop/playout.ts";
import { Tuner, type TunerOptions } from "./tuner.ts";

/** Of the device, the same for all channels; `depth` and `patience` as in `PlayoutOptions`. */
export interface ScreenOptions extends TunerOptions {
  readonly ciphers: Ciphers;
  readonly depth: number;
  readonly patience: Duration;
  readonly primitives: Primitives;
  /** Of signed streams: what no manifest covers is dropped, or counted, or nothing is looked at. */
  readonly authentication: "require" | "flag" | "off";
}

/** The effects that concern one channel's packets. */
export type ScreenEffect = Extract<
  SettopEffect,
  { readonly kind: "join" | "leave" | "receive" | "receive-unmanaged" | "install" | "retire" | "position" | "silence" }
>;

/** From watch to unwatch of one channel. What happens is told to the machine by `tell`. */
export class Screen {
  readonly playout: Playout;
  readonly tuner: Tuner;
  readonly #options: ScreenOptions;

  constructor(options: ScreenOptions, channel: Channel, output: Output, tell: (event: SettopEvent) => void) {
    const { ciphers, depth, patience, clock, primitives, authentication } = options;
    const { id } = channel;
    const uncovered = authentication === "require" ? "drop" : "pass";
    const source = authentication === "off" ? undefined : ({ primitives, channel: id, uncovered } as const);
    this.#options = options;
    this.playout = new Playout(
      { ciphers, output, depth, patience, source, sign: (sign) => tell({ kind: "stream", channel: id, sign }) },
      clock.now(),
    );
    this.tuner = new Tuner(options, channel, this.playout, {
      joined: () => tell({ kind: "joined", channel: id }),
      failed: (error) => tell({ kind: "join-failed", channel: id, why: `${error.code}: ${error.message}` }),
    });
  }

  apply(effect: ScreenEffect): void {
    switch (effect.kind) {
      case "join":
        this.tuner.join();
        return;
      case "leave":
        this.tuner.leave();
        return;
      case "receive":
        this.playout.receive(effect.stream);
        return;
      case "receive-unmanaged":
        this.playout.receiveUnmanaged(effect.sender);
        return;
      case "install":
        this.playout.install(effect.key);
        overwriteKeys([effect.key]);
        return;
      case "retire":
        this.playout.retire(effect.epoch);
        return;
      case "position":
        this.playout.position(effect.position);
        return;
      case "silence":
        this.playout.silence();
        return;
    }
  }

  status(): PlayoutStatus {
    const status = this.playout.status(this.#options.clock.now());
    return { ...status, drops: { ...status.drops, ...this.tuner.drops() } };
  }

  close(): void {
    this.playout.silence();
    this.tuner.close();
  }
}
