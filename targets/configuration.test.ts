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

/** The parts of a valibot schema that have further schemas inside. */
interface Parts {
  readonly wrapped?: Parts;
  readonly pipe?: readonly Parts[];
  readonly item?: Parts;
  readonly options?: readonly (Parts | string | number)[];
  readonly entries?: Readonly<Record<string, Parts>>;
}

/** Every leaf's path; items of arrays have no step of their own. */
function pathsOf(schema: Parts, path: string): readonly string[] {
  const first = schema.pipe?.[0];
  if (first !== undefined && first !== schema) return pathsOf(first, path);
  if (schema.wrapped !== undefined) return pathsOf(schema.wrapped, path);
  if (schema.item !== undefined) return pathsOf(schema.item, path);
  if (schema.entries !== undefined)
    return Object.entries(schema.entries).flatMap(([name, part]) =>
      pathsOf(part, path === "" ? name : `${path}.${name}`),
    );
  const options = (schema.options ?? []).filter((option): option is Parts => typeof option === "object");
  if (options.some((option) => option.entries !== undefined)) return options.flatMap((option) => pathsOf(option, path));
  return [path];
}

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
  const paths = pathsOf(schema as Parts, "");
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
