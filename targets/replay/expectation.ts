// What a capture is expected to show, beside what it shows: plain JSON on both sides, and each difference in a line.

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
type JsonObject = { readonly [name: string]: Json };

/** Maps of counts are whole: what they do not name is 0. */
const COUNTS: ReadonlySet<string> = new Set(["types", "drops", "ignored"]);
/** The list of which any number may be left out, anywhere, but whose order counts. */
const TIMELINE = "timeline";
/** Of a value that is shown in a line. */
const MOST_SHOWN = 200;

/**
 * No line when `actual` is as expected. Parts of an object that are not named may be anything; maps of counts are whole; the entries of
 * the timeline come in this order, others between them; every other list has as many items, in any order.
 */
export function differences(expected: unknown, actual: unknown): readonly string[] {
  return compare("", expected as Json, actual as Json);
}

function compare(path: string, expected: Json, actual: Json | undefined): readonly string[] {
  if (isObject(expected))
    return isObject(actual) ? compareParts(path, expected, actual) : [differs(path, expected, actual)];
  if (!isList(expected)) return expected === actual ? [] : [differs(path, expected, actual)];
  if (!isList(actual)) return [differs(path, expected, actual)];
  return path === TIMELINE ? compareTimeline(expected, actual) : compareItems(path, expected, actual);
}

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !isList(value);

const differs = (path: string, expected: Json, actual: Json | undefined): string =>
  `${path || "the expectation"}: expected ${shown(expected)}, ${actual === undefined ? "and there is none" : `is ${shown(actual)}`}`;

function shown(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}...` : text;
}

function compareParts(path: string, expected: JsonObject, actual: JsonObject): readonly string[] {
  const counts = COUNTS.has(path);
  const names = counts ? new Set([...Object.keys(expected), ...Object.keys(actual)]) : Object.keys(expected);
  const otherwise = counts ? 0 : undefined;
  return [...names].flatMap((name) =>
    compare(
      path === "" ? name : `${path}.${name}`,
      part(expected, name) ?? (counts ? 0 : null),
      part(actual, name) ?? otherwise,
    ),
  );
}

const part = (object: JsonObject, name: string): Json | undefined =>
  Object.hasOwn(object, name) ? object[name] : undefined;

/** Items have no names of their own: "[]" is none of those that are compared in a way of their own. */
const isLike = (expected: Json, actual: Json | undefined): boolean => compare("[]", expected, actual).length === 0;

function compareTimeline(expected: readonly Json[], actual: readonly Json[]): readonly string[] {
  let from = 0;
  return expected.flatMap((entry, i) => {
    const found = actual.findIndex((event, at) => at >= from && isLike(entry, event));
    if (found < 0) return [`${TIMELINE}[${i}]: expected ${shown(entry)}, and ${whereItStands(entry, actual, from)}`];
    from = found + 1;
    return [];
  });
}

function whereItStands(entry: Json, actual: readonly Json[], from: number): string {
  const before = from === 0 ? undefined : actual[from - 1];
  if (actual.some((event) => isLike(entry, event))) return `it comes before ${shown(before ?? null)}`;
  return "nothing of the kind is there";
}

/** Each expected item has one of its own, if there is any way to give it one. */
function compareItems(path: string, expected: readonly Json[], actual: readonly Json[]): readonly string[] {
  const taken = new Map<number, number>();
  const missing = expected.flatMap((_, i) => (giveItem(i, expected, actual, taken, new Set()) ? [] : [i]));
  const free = actual.flatMap((_, i) => (taken.has(i) ? [] : [i]));
  const lines = missing.flatMap((i, n) => {
    const other = free[n];
    return compare(`${path}[${i}]`, expected[i] ?? null, other === undefined ? undefined : actual[other]);
  });
  const more = free.slice(missing.length).map((i) => `${path}: ${shown(actual[i] ?? null)} is there and not expected`);
  return [...lines, ...more];
}

/** An augmenting path (Kuhn): an item that another took is left to this one when the other finds another. The own place comes first. */
function giveItem(
  wanted: number,
  expected: readonly Json[],
  actual: readonly Json[],
  taken: Map<number, number>,
  tried: Set<number>,
): boolean {
  for (let n = 0; n < actual.length; n++) {
    const at = (wanted + n) % actual.length;
    if (tried.has(at) || !isLike(expected[wanted] ?? null, actual[at])) continue;
    tried.add(at);
    const holder = taken.get(at);
    if (holder !== undefined && !giveItem(holder, expected, actual, taken, tried)) continue;
    taken.set(at, wanted);
    return true;
  }
  return false;
}
