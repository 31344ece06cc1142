// `router stop`: ends the router that runs, or at once what one that handed over or was killed left for its next start.
import { printable } from "../../core/base/printable.ts";
import { HalError } from "../../core/ports/errors.ts";
import { findKeepers, hasEnded, hurryKeeper } from "../../hal/forwarding/keeper.ts";
import type { Frame } from "../shared/target.ts";

/** The command of the local socket, which answers with the number of the process that ends. */
export const STOP = "stop";

/** Between two looks at a process that is not our child, in ms. */
const LOOK = 20;
/** A stop takes less than 2 s, and a farewell has to load this program first. */
const LONGEST = 10_000;

/** Waits until it has ended; in words what there was to end. Throws HalError "router.permission", "router.elsewhere" or "router.stays". */
export async function stopRouter<Config>(frame: Frame<Config>): Promise<string> {
  const running = await frame.command(STOP, {});
  if (running === undefined) return stopWhatWasLeft(frame);
  const { process: pid } = running.answer as { readonly process: number };
  await until(() => hasEnded(pid));
  return "the router has stopped";
}

async function stopWhatWasLeft<Config>(frame: Frame<Config>): Promise<string> {
  // Others do not see whose a process is.
  if (process.getuid?.() !== 0)
    throw new HalError("router.permission", "cannot see whether a router left streams", { needs: "root" });
  const keepers = findKeepers();
  const other = keepers.find(({ router }) => router !== undefined)?.router;
  if (other !== undefined) {
    const { socket } = frame.whereabouts();
    throw new HalError("router.elsewhere", `the router of process ${other} does not listen on ${printable(socket)}`, {
      alternative: "name its configuration (--config)",
    });
  }
  if (keepers.length === 0) return "no router runs here, and none has left anything";
  await until(() => {
    for (const keeper of keepers) hurryKeeper(keeper);
    return keepers.every(({ pid }) => hasEnded(pid));
  });
  return "what the last router left has ended: its streams, and if it had handed over its groups upstream too";
}

async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + LONGEST; !isSo(); ) {
    if (performance.now() > end)
      throw new HalError("router.stays", `it has not ended within ${LONGEST / 1000} s`, { alternative: "kill it" });
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
}
