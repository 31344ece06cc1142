// A test of the lab that says, when it fails, what every process wrote last.
import { test } from "node:test";

/**
 * @param {() => import("./run.mjs").Run | undefined} run
 * @returns {(name: string, body: () => Promise<void>) => void}
 */
export const scenarioOf = (run) => (name, body) => {
  test(name, async () => {
    try {
      await body();
    } catch (error) {
      // Another one: what is printed is the stack, and that has the message as it was at first.
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${message}\n${run()?.logs() ?? ""}`, { cause: error });
    }
  });
};
