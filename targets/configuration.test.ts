// The configuration reference and the schemas say the same: no entry undocumented, none invented.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type * as v from "valibot";
import { controlConfig } from "./control/config.ts";
import { headendConfig } from "./headend/config.ts";
import { keyServerConfig } from "./keyserver/config.ts";
import { receptionConfig } from "./reception/config.ts";
import { replayConfig } from "./replay/config.ts";
import { routerConfig } from "./router/config.ts";
import { settopConfig } from "./settop/config.ts";
import { type Parts, pathsOf } from "./shared/schema-paths.testkit.ts";

const text = readFileSync("docs/configuration.md", "utf8");

/** The entries that the tables of a section name in their first column. */
function documented(section: string): readonly string[] {
  const body = text.split(/^## /m).find((part) => part.startsWith(`${section}\n`));
  assert.ok(body, `docs/configuration.md has a section "${section}"`);
  return [...body.matchAll(/^\| (`.*?`) \|/gm)].flatMap((row) =>
    [...(row[1] ?? "").matchAll(/`([^`]+)`/g)].map((m) => m[1] ?? ""),
  );
}

const SCHEMAS: Readonly<Record<string, v.GenericSchema>> = {
  headend: headendConfig,
  settop: settopConfig,
  router: routerConfig,
  control: controlConfig,
  keyserver: keyServerConfig,
  reception: receptionConfig,
  replay: replayConfig,
};

const common = documented("Common");

/** `channels.output.form` is documented by `channels.output`. */
const covers = (entry: string, path: string): boolean => path === entry || path.startsWith(`${entry}.`);

for (const [target, schema] of Object.entries(SCHEMAS)) {
  const paths = pathsOf(schema as Parts);
  const own = documented(target);

  test(`every entry of ${target} is documented`, () => {
    assert.ok(paths.length > 3);
    assert.deepEqual(
      paths.filter((path) => ![...own, ...common].some((entry) => covers(entry, path))),
      [],
    );
  });

  test(`every documented entry of ${target} exists`, () => {
    assert.deepEqual(
      own.filter((entry) => !paths.some((path) => covers(entry, path))),
      [],
    );
  });
}
