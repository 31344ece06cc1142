// The operator's command line on a target that keeps the store: the running process is asked, or the store opened when none runs.
import type { Command } from "commander";
import type { Primitives } from "../../core/ports/primitives.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import type { StoreConfig } from "../reception/config.ts";
import type { Frame } from "../shared/target.ts";
import { addOperatorCommands } from "./command-line.ts";
import { offline, type Premises } from "./office.ts";

/** `names`: the ids that the configuration gives to servers. */
export function extendForOperator<Config extends { readonly store: StoreConfig }>(
  program: Command,
  frame: Frame<Config>,
  primitives: Primitives,
  names: (config: Config) => Pick<Premises, "keyServers" | "reserved">,
): void {
  addOperatorCommands(program, {
    primitives,
    entropy: systemEntropy,
    ask: (name, input) => frame.command(name, input),
    offline: (work) => {
      const config = frame.config();
      return offline(config.store, { clock: systemClock, entropy: systemEntropy, ...names(config) }, work);
    },
  });
}
