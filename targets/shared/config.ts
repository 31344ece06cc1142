// Configuration: a JSON file and `--set path=value`, checked whole before anything opens; every fault with its path.
import { closeSync, openSync, readSync, statSync } from "node:fs";
import * as v from "valibot";
import { ANY, parseIpv4 } from "../../core/base/ipv4.ts";
import { seconds } from "../../core/base/time.ts";
import { Identifier } from "../../core/control/messages.ts";
import { isSmallOrder } from "../../core/control/small-order.ts";
import type { InterfaceChoice } from "../../core/ports/datagrams.ts";
import { LEVELS } from "./log.ts";

/** One fault: where in the configuration ("channels.0.port") and what is wrong. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** A configuration, or every fault of it. */
export type Checked<T> =
  | { readonly ok: true; readonly config: T }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** Text in dotted decimal that becomes an Ipv4. */
export const ipv4Text = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const parsed = parseIpv4(dataset.value);
    if (parsed === undefined) {
      addIssue({ message: `"${dataset.value}" is not an IPv4 address` });
      return NEVER;
    }
    return parsed;
  }),
);

/** As the kernel names interfaces: IFNAMSIZ is 16 with the final zero. */
export const interfaceName = v.pipe(
  v.string(),
  v.regex(/^[^\s/:]{1,15}$/, "must be an interface name of 1 to 15 characters"),
);

/** Digits and dots are an address, or a mistake in one, though the kernel would take them for a name. */
const interfaceChoice = v.pipe(
  v.string(),
  v.rawTransform<string, InterfaceChoice>(({ dataset: { value }, addIssue, NEVER }) => {
    const isName = /[^\d.]/.test(value);
    const choice = isName ? value : parseIpv4(value);
    if (choice !== undefined && (!isName || v.is(interfaceName, value))) return choice;
    addIssue({ message: `"${value}" is neither an IPv4 address nor the name of an interface` });
    return NEVER;
  }),
);

/** How an entry chooses an interface: `interface`, or `interfaceAddress` as it was called while it took addresses alone. */
export interface InterfaceEntries {
  readonly interface?: InterfaceChoice | undefined;
  readonly interfaceAddress?: InterfaceChoice | undefined;
}

/** For `InterfaceEntries`; spread into a schema. */
export const interfaceEntries = {
  /** Its name, or one of its addresses; 0.0.0.0 leaves the choice to the kernel. */
  interface: v.optional(interfaceChoice),
  interfaceAddress: v.optional(interfaceChoice),
} as const;

/** What they choose. */
export const interfaceOf = (entries: InterfaceEntries, otherwise: InterfaceChoice = ANY): InterfaceChoice =>
  entries.interface ?? entries.interfaceAddress ?? otherwise;

/** A fault's text when both of its names are given; undefined when that is right. */
export const interfaceFault = (entries: InterfaceEntries): string | undefined =>
  entries.interface === undefined || entries.interfaceAddress === undefined
    ? undefined
    : "is interfaceAddress by its new name: give one of them";

/** A multicast group in dotted decimal. */
export const groupText = v.pipe(
  ipv4Text,
  v.check((group) => group >>> 28 === 0xe, "must be a multicast group, 224.0.0.0 to 239.255.255.255"),
);

/** 1 to 65535. */
export const portNumber = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535));
/** 1 to 64 of letters, digits, dot, underscore and hyphen, the first one a letter or digit. */
export const identifier = Identifier;
/** Hexadecimal of exactly `octets` octets, as a Uint8Array. */
export const hexOctets = (octets: number) =>
  v.pipe(
    v.string(),
    v.regex(new RegExp(`^[0-9a-fA-F]{${octets * 2}}$`), `must be ${octets * 2} hexadecimal digits`),
    v.transform((text) => new Uint8Array(Buffer.from(text, "hex"))),
  );

/** An X25519 public key in hexadecimal; a point of small order (RFC 7748) is none. */
export const x25519PublicKey = v.pipe(
  hexOctets(32),
  v.check((key) => !isSmallOrder(key), "is not a public key: nobody can have it"),
);

/** Repeats of IGMP reports where nobody asks: "auto", "off", or seconds, 1 to 3600. */
export const refreshPolicy = v.optional(
  v.union([v.picklist(["auto", "off"]), v.pipe(v.number(), v.minValue(1), v.maxValue(3600), v.transform(seconds))]),
  "auto",
);

/** What every target's configuration has; spread into its schema. */
export const commonEntries = {
  /** Path of the Unix socket for `status` and commands; "" for none. Default: see `defaultSocket`. */
  socket: v.optional(v.string()),
  log: v.optional(
    v.strictObject({
      level: v.optional(v.picklist(LEVELS), "info"),
      format: v.optional(v.picklist(["auto", "json", "human"]), "auto"),
    }),
    {},
  ),
} as const;

/** Scheme, host and port, nothing else: name and password come from the identity. */
const isBrokerUrl = (text: string): boolean => /^mqtts?:\/\/[^/?#@\s]+$/.test(text) && URL.canParse(text);

/** How a participant reaches the broker; shared by every target that has one. */
export const brokerEntries = {
  broker: v.strictObject({
    /** mqtt://host:1883 or mqtts://host:8883. */
    url: v.pipe(v.string(), v.check(isBrokerUrl, "must be mqtt://host:port or mqtts://host:port")),
    protocolVersion: v.optional(v.picklist([4, 5]), 4),
    /** Files in PEM form. */
    ca: v.optional(v.string()),
    cert: v.optional(v.string()),
    key: v.optional(v.string()),
  }),
} as const;

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Puts `value` at a dotted path; array indices are numbers. Returns a fault's text when the path goes through a plain value. */
function assign(root: Record<string, unknown>, path: readonly string[], value: unknown): string | undefined {
  let at: Record<string, unknown> = root;
  for (const [i, step] of path.entries()) {
    if (step === "__proto__" || step === "constructor" || step === "prototype")
      return "is not a name of the configuration";
    if (Array.isArray(at) && !ITEM.test(step)) return `goes to an item of a list, which "${step}" is no number of`;
    if (i === path.length - 1) {
      at[step] = value;
      return undefined;
    }
    const next = (Object.hasOwn(at, step) ? at[step] : undefined) ?? (ITEM.test(path[i + 1] ?? "") ? [] : {});
    if (typeof next !== "object" || next === null) return "goes through a value that has no parts";
    at[step] = next;
    at = next as Record<string, unknown>;
  }
  return undefined;
}

/** The number of a list's item; more than MOST_VALUES is found later. */
const ITEM = /^\d{1,9}$/;

function applySettings(root: Record<string, unknown>, settings: readonly string[]): Fault[] {
  const faults: Fault[] = [];
  for (const setting of settings) {
    const equals = setting.indexOf("=");
    if (equals <= 0) {
      faults.push({ path: "--set", message: `"${setting}" is not path=value` });
      continue;
    }
    const path = setting.slice(0, equals);
    const fault = assign(root, path.split("."), parseValue(setting.slice(equals + 1)));
    if (fault !== undefined) faults.push({ path, message: fault });
  }
  return faults;
}

/** The largest configuration file read, in octets. */
const LARGEST_FILE = 4 * 1024 * 1024;
/** Entries and items of lists in one configuration; each of a thousand channels has some ten. */
const MOST_VALUES = 65_536;

/** The file's text, also of a pipe or a device that never ends; undefined when it is larger than 4 MiB. Throws the kernel's error. */
export function readText(file: string): string | undefined {
  const handle = openSync(file, "r");
  try {
    const parts: Buffer[] = [];
    let size = 0;
    for (;;) {
      const part = Buffer.alloc(64 * 1024);
      const length = readSync(handle, part);
      if (length === 0) return Buffer.concat(parts).toString("utf8");
      parts.push(part.subarray(0, length));
      size += length;
      if (size > LARGEST_FILE) return undefined;
    }
  } finally {
    closeSync(handle);
  }
}

function readFile(file: string): { value: Record<string, unknown> } | { fault: Fault } {
  try {
    const text = readText(file);
    if (text === undefined) return { fault: { path: file, message: "is larger than 4 MiB" } };
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return { value: value as Record<string, unknown> };
    return { fault: { path: file, message: "must hold one JSON object" } };
  } catch (cause) {
    return { fault: { path: file, message: cause instanceof Error ? cause.message : String(cause) } };
  }
}

/** Each bad value is a fault of its own, so their number has a limit; the holes of a list count. */
function isTooMuch(root: unknown): boolean {
  let count = 0;
  const waiting = [root];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (typeof value !== "object" || value === null) continue;
    count += Array.isArray(value) ? value.length : Object.keys(value).length;
    if (count > MOST_VALUES) return true;
    waiting.push(...Object.values(value).filter((part) => typeof part === "object"));
  }
  return false;
}

/** valibot's words where a person needs others. */
function inWords(issue: v.BaseIssue<unknown>): string {
  if (issue.type === "strict_object" && issue.expected === "never") return "is not an entry of this configuration";
  if (issue.type === "strict_object" && issue.received === "undefined") return "is missing";
  return issue.message;
}

const isStranger = (issue: v.BaseIssue<unknown>): boolean =>
  issue.type === "strict_object" && issue.expected === "never";

/** valibot names one stranger of an object at a time: each is taken out of `value`, and the rest looked at again. */
function strangersOf(schema: v.GenericSchema<unknown, unknown>, value: Record<string, unknown>): readonly Fault[] {
  const faults: Fault[] = [];
  for (;;) {
    const strangers = (v.safeParse(schema, value).issues ?? []).filter(isStranger);
    if (strangers.length === 0 || faults.length >= MOST_STRANGERS) return faults;
    for (const issue of strangers) {
      faults.push({ path: v.getDotPath(issue) || "(root)", message: inWords(issue) });
      const last = issue.path?.at(-1);
      if (last !== undefined) delete (last.input as Record<string, unknown>)[String(last.key)];
    }
  }
}

/** More entries that nobody knows are not listed. */
const MOST_STRANGERS = 100;

/** Reads, overlays and checks; lists every fault at once. */
export function loadConfig<T>(
  schema: v.GenericSchema<unknown, T>,
  file: string | undefined,
  settings: readonly string[],
): Checked<T> {
  const read = file === undefined ? { value: {} } : readFile(file);
  return "fault" in read ? { ok: false, faults: [read.fault] } : checkConfig(schema, read.value, settings);
}

/** Overlays `value`, which is changed, and checks it; lists every fault at once. */
export function checkConfig<T>(
  schema: v.GenericSchema<unknown, T>,
  value: Record<string, unknown>,
  settings: readonly string[],
): Checked<T> {
  const settingFaults = applySettings(value, settings);
  if (isTooMuch(value)) {
    const tooMuch = { path: "(root)", message: `has more than ${MOST_VALUES} values` };
    return { ok: false, faults: [...settingFaults, tooMuch] };
  }
  const strangers = strangersOf(schema, value);
  const result = v.safeParse(schema, value);
  const faults = [...settingFaults];
  if (!result.success) {
    for (const issue of result.issues) faults.push({ path: v.getDotPath(issue) || "(root)", message: inWords(issue) });
  }
  faults.push(...strangers);
  return result.success && faults.length === 0 ? { ok: true, config: result.output } : { ok: false, faults };
}

const CONFIG_FOLDER = "/etc/sealcast";

/** Where a configuration comes from: a file or none, and the same in words. */
export interface ConfigSource {
  readonly file: string | undefined;
  readonly words: string;
}

/** The file that --config names, else /etc/sealcast/<target>.json when it is there. */
export function configSource(target: string, given: string | undefined, folder = CONFIG_FOLDER): ConfigSource {
  if (given !== undefined) return { file: given, words: `the configuration is ${given}` };
  const usual = `${folder}/${target}.json`;
  if (isThere(usual)) return { file: usual, words: `the configuration is ${usual}` };
  return { file: undefined, words: `no --config was given, and ${usual} is not there` };
}

/** One that this user may not look for is there: reading it names the fault, going on without it would hide it. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** Where a process listens for `status` when the configuration names nothing. */
export function defaultSocket(role: string, id: string | undefined): string {
  const folder = process.getuid?.() === 0 ? "/run/sealcast" : (process.env.XDG_RUNTIME_DIR ?? "/tmp");
  return `${folder}/${role}${id === undefined ? "" : `-${id}`}.sock`;
}
