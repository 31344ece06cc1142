// The operator's command line on a target that keeps the store: the running process is asked, or the store opened when none runs.
import type { Command } from "commander";
import { HalError } from "../../core/ports/errors.ts";
import type { Primitives } from "../../core/ports/primitives.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import type { StoreConfig } from "../reception/config.ts";
import type { Frame } from "../shared/target.ts";
import { addOperatorCommands } from "./command-line.ts";
import { type OperatorBase, offline, openStore } from "./context.ts";
import type { Listed } from "./listing.ts";

/** What the two targets do not have in common. */
export interface OperatedTarget<Config> {
  readonly name: string;
  readonly primitives: Primitives;
  /** Where a participant's configuration gets the keys of its server from, in words. */
  readonly serverKeys: string;
  /** The ids that the configuration gives to servers. */
  names(config: Config): Pick<OperatorBase, "keyServers" | "reserved">;
  /** Makes what `init` makes besides the store; a sentence for each. */
  prepare?(config: Config): readonly string[];
}

/** Adds the operator's commands to a target's command line. */
export function extendForOperator<Config extends { readonly store: StoreConfig }>(
  program: Command,
  frame: Frame<Config>,
  target: OperatedTarget<Config>,
): void {
  const { primitives, serverKeys } = target;
  addInit(program, frame, target);
  addOperatorCommands(program, {
    primitives,
    serverKeys,
    entropy: systemEntropy,
    ask: (name, input) => frame.command(name, input),
    rows: (name, input) => frame.rows(name, input) as Promise<AsyncIterable<Listed> | undefined>,
    offline: (work) => {
      const config = frame.config();
      const base = { clock: systemClock, entropy: systemEntropy, ...target.names(config) };
      return offline(config.store, base, work).catch((error: unknown) => {
        throw explained(error, frame, target.name);
      });
    },
  });
}

/** A store that is not there is most often one that is elsewhere: says where was looked, and why there. */
function explained(error: unknown, frame: Frame<unknown>, name: string): unknown {
  if (!(error instanceof HalError && error.code === "store.missing")) return error;
  const { configuration, socket } = frame.whereabouts();
  const asked = socket === "" ? "" : `, and nobody listens on ${socket}`;
  return new HalError(error.code, `${error.message}${asked}`, {
    needs: `the configuration of the server that is meant: ${configuration}`,
    alternative: `\`sealcast-${name} init\` makes a new store there, and so does the server's first start`,
  });
}

function addInit<Config extends { readonly store: StoreConfig }>(
  program: Command,
  frame: Frame<Config>,
  { prepare }: OperatedTarget<Config>,
): void {
  program
    .command("init")
    .description(
      "make the store, and what else the first start would make, where it is not there yet; says what it made",
    )
    .action(async () => {
      const config = frame.config();
      let found = "there already";
      // Opened in any case: what is there must be a store.
      await openStore(config.store, () => {
        found = "made";
      }).close();
      const said = [`the store ${config.store.path} is ${found}`, ...(prepare?.(config) ?? [])];
      for (const sentence of said) process.stdout.write(`${sentence}\n`);
    });
}
