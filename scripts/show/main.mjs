// ./scripts/demo: the whole system from the bundles, for as long as it is let, or --for a while.
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { optionsOf } from "../checks/command-line.mjs";
import { isRoot } from "../checks/tests.mjs";
import { sweep } from "../lab/network.mjs";
import { parseOptions } from "./options.mjs";
import { faults, report } from "./report.mjs";
import { Show } from "./show.mjs";

/** Resolves at the first SIGINT or SIGTERM; a second one ends at once. */
function interruption() {
  return new Promise((resolve) => {
    for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
      process.once(signal, () => {
        process.on(signal, () => process.exit(130));
        resolve(undefined);
      });
    }
  });
}

async function main() {
  const chosen = optionsOf("demo", () => parseOptions(process.argv.slice(2)));
  const loopback = chosen.loopback || !isRoot();
  if (!isRoot())
    process.stdout.write(
      "demo: not root: everything runs on loopback, without routers (71, 72, 81, 82 are the set-tops' own)\n",
    );
  if (!loopback) sweep();
  const interrupted = interruption();
  const show = new Show({ ...chosen, loopback });
  try {
    await show.open();
    const wasInterrupted = await show.play(interrupted);
    const found = await show.conclude();
    const wrong = faults(found, { interrupted: wasInterrupted });
    const held = wrong.length === 0;
    if (chosen.report !== undefined) {
      const path = resolve(process.env.SEALCAST_CALLED_FROM ?? ".", chosen.report);
      writeFileSync(path, `${JSON.stringify(report(found, held), undefined, 2)}\n`);
    }
    for (const fault of wrong) process.stdout.write(`demo: ${fault}\n`);
    process.stdout.write(held ? "demo: everything held\n" : `demo: FAILED\n${show.logs()}\n`);
    return held ? 0 : 1;
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.stack : error}\n${show.logs()}\n`);
    return 1;
  } finally {
    await show.close();
  }
}

process.exit(await main());
