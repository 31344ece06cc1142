import assert from "node:assert/strict";
import { test } from "node:test";
import { HalError } from "../../core/ports/errors.ts";
import { choose } from "./drivers.ts";

const missing = (driver: string) => ({
  driver,
  load: () =>
    Promise.reject(new HalError(`${driver}.native-missing`, `${driver} is not here`, { cause: new Error("no file") })),
});
const here = (driver: string) => ({ driver, lacks: "much", load: () => Promise.resolve(`port of ${driver}`) });

test("the first driver that loads is taken, and why no better one is said", async () => {
  assert.deepEqual(await choose("auto", [missing("best"), here("next"), here("last")]), {
    port: "port of next",
    choice: { driver: "next", passedOver: { best: "best is not here: no file" }, lacks: "much" },
  });
});

test("a driver that is wanted is taken, or nothing is", async () => {
  const { choice } = await choose("last", [here("best"), here("last")]);
  assert.deepEqual(choice, { driver: "last", passedOver: { best: "the configuration wants last" }, lacks: "much" });
  await assert.rejects(choose("best", [missing("best"), here("last")]), { code: "best.native-missing" });
});

test("where none loads the last one's error tells what to do", () =>
  assert.rejects(choose("auto", [missing("best"), missing("last")]), { code: "last.native-missing" }));
