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
      if (error instanceof Error) error.message += `\n${run()?.logs() ?? ""}`;
      throw error;
    }
  });
};
