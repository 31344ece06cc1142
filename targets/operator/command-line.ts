// The operator's command line, for `control` and `reception`: speaks to the running process, or opens the store when none runs.
import { rmSync } from "node:fs";
import { type Command, Option } from "commander";
import { toHex } from "../../core/base/bytes.ts";
import type { Role } from "../../core/control/participant.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { Primitives } from "../../core/ports/primitives.ts";
import { ALL_ROUTERS } from "../../core/reception/policies.ts";
import { createIdentity, readIdentity } from "../../hal/identity/file.ts";
import { generateIdentity, type Identity } from "../../hal/identity/identity.ts";
import { CommandRefused } from "../shared/admin.ts";
import { idOf, timeOf, wholeNumber } from "../shared/arguments.ts";
import { readText } from "../shared/config.ts";
import { partsOf } from "../shared/registration.ts";
import { jsonText } from "../shared/target.ts";
import type { EditCommand, OperatorCommands } from "./commands.ts";
import { addList, addRecords, type ListSource } from "./lists.ts";

/** How a command reaches the servers' data: through the running process, or in the store itself. */
export interface OperatorAccess extends ListSource {
  readonly primitives: Primitives;
  readonly entropy: Entropy;
  /** Where a participant's configuration gets the keys of its server from, in words. */
  readonly serverKeys: string;
  /** Asks the running process; undefined when none runs. */
  ask(name: EditCommand, input: unknown): Promise<{ readonly answer: unknown } | undefined>;
}

const SERVICE_ROLES = ["headend", "router", "keyserver", "reception"];

interface Options {
  readonly json?: boolean;
  readonly [name: string]: string | number | boolean | undefined;
}

/** Adds all operator commands to the program. */
export function addOperatorCommands(program: Command, access: OperatorAccess): void {
  addDevices(program, access);
  addSubscribers(program, access);
  addOffers(program, access);
  addServices(program, access);
  addPolicies(program, access);
  addRecords(program, access);
  addRekey(program, access);
}

async function call(access: OperatorAccess, name: EditCommand, input: object): Promise<unknown> {
  const online = await access.ask(name, input);
  if (online !== undefined) return online.answer;
  return access.offline((commands: OperatorCommands) => commands[name](input));
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const printJson = (value: unknown): void => print(JSON.stringify(value, undefined, 2));

/** What an edit did: a sentence for a person, or the answer as JSON. */
function tell(answer: unknown, { json }: Options, sentence: string): void {
  if (json === true) printJson(answer);
  else print(sentence);
}

const asJson = (command: Command): Command => command.option("--json", "as JSON");

interface ById {
  readonly word: string;
  readonly name: EditCommand;
  readonly about: string;
  done(id: string, answer: unknown): string;
}

/** A command with one id. */
function addById(parent: Command, access: OperatorAccess, { word, name, about, done }: ById): void {
  asJson(parent.command(word).argument("<id>").description(about)).action(async (id: string, options: Options) => {
    const answer = await call(access, name, { id });
    tell(answer, options, done(id, answer));
  });
}

/** A registration of what has no keys. */
const registered = (answer: unknown, options: Options, what: string): void =>
  tell(answer, options, `${what} is registered`);

function revokedSentence(id: string, answer: unknown): string {
  const { rekeyed } = answer as { readonly rekeyed: readonly string[] };
  const keys = rekeyed.length === 0 ? "it held no key" : `the keys of ${rekeyed.join(", ")} are being changed`;
  return `set-top ${id} is revoked; ${keys}`;
}

function addDevices(program: Command, access: OperatorAccess): void {
  const device = program.command("device").description("set-tops");
  asJson(device.command("add"))
    .argument("<id>", "its name", idOf)
    .description("register a set-top; says what is left to do at the box")
    .requiredOption("--subscriber <id>", "who pays for it")
    .option("--mac <address>", "its Ethernet address, to hold the routers' evidence against")
    .option("--public-key <key>", "the line that its keygen printed; or an X25519 key alone: then a password is made")
    .option("--identity <file>", "an identity file that exists: its key and password are registered")
    .option("--identity-out <file>", "make keys and a password, and write the identity file for the box")
    .action((id: string, options: Options, command: Command) => {
      const { subscriber, mac } = options;
      const input = { id, subscriber, ...(mac === undefined ? {} : { mac }) };
      return register(access, { name: "device.add", role: "settop", input }, options, command);
    });
  addList(device, access, "list", "device.list", "all set-tops");
  addById(device, access, {
    word: "revoke",
    name: "device.revoke",
    about: "take its right away: closes its receptions and changes the keys",
    done: revokedSentence,
  });
  addById(device, access, {
    word: "remove",
    name: "device.remove",
    about: "forget a revoked set-top; its usage records stay",
    done: (id) => `set-top ${id} is forgotten`,
  });
}

/** Where a registration's keys come from, and what is left to do at the other end once they are registered. */
interface Keys {
  readonly input: { readonly publicKey: string; readonly passwordHash?: string; readonly password?: string };
  readonly next: string;
  /** The server refused. */
  takeBack?(): void;
}

interface Registered {
  readonly name: "device.add" | "service.add";
  readonly role: Role;
  readonly input: { readonly id: string; readonly [field: string]: unknown };
}

async function register(
  access: OperatorAccess,
  { name, role, input }: Registered,
  options: Options,
  command: Command,
): Promise<void> {
  const keys = keysOf(access, role, input.id, options, command);
  const answer = await call(access, name, { ...input, ...keys.input }).catch((error: unknown) => {
    if (error instanceof CommandRefused) keys.takeBack?.();
    throw error;
  });
  const { password } = answer as { readonly password?: string };
  const shown =
    password === undefined
      ? []
      : [`its broker password, shown only now: ${password}`, 'put it as "password" into its identity file'];
  const what = `${role === "settop" ? "set-top" : role} ${input.id} is registered`;
  tell(answer, options, [what, ...(password === undefined ? [keys.next] : shown), access.serverKeys].join("\n"));
}

function keysOf(access: OperatorAccess, role: Role, id: string, options: Options, command: Command): Keys {
  const { publicKey, identity, identityOut } = options;
  const given = [publicKey, identity, identityOut].filter((option) => typeof option === "string");
  if (given.length !== 1) command.error("error: exactly one of --public-key, --identity, --identity-out is needed");
  if (typeof publicKey === "string")
    return { input: partsOf(publicKey), next: "its identity file is complete as its keygen made it" };
  if (typeof identity === "string") {
    const own = readIdentity(identity, access.primitives);
    if (own.id !== id || own.role !== role)
      throw new CommandRefused(`${identity} belongs to the ${own.role} ${own.id}, not to the ${role} ${id}`);
    return { input: credentialsOf(own), next: `its identity file is ${identity}` };
  }
  const path = String(identityOut);
  const made = generateIdentity(role, id, access.primitives, access.entropy);
  createIdentity(path, made);
  return {
    input: credentialsOf(made),
    next: `move ${path} to it, mode 0600, as the \`identity\` of its configuration`,
    takeBack: () => rmSync(path),
  };
}

const credentialsOf = ({ x25519, password }: Identity) => ({ publicKey: toHex(x25519.publicKey), password });

function addSubscribers(program: Command, access: OperatorAccess): void {
  const subscriber = program.command("subscriber").description("who may receive and who pays");
  asJson(subscriber.command("add"))
    .argument("<id>")
    .option("--name <name>")
    .option("--concurrent <number>", "receptions that all its devices may have at once", wholeNumber)
    .description("register a subscriber")
    .action(async (id: string, options: Options) => {
      const { name, concurrent } = options;
      const limit = concurrent === undefined ? {} : { concurrentLimit: concurrent };
      const input = { id, ...(name === undefined ? {} : { name }), ...limit };
      registered(await call(access, "subscriber.add", input), options, `subscriber ${id}`);
    });
  addList(subscriber, access, "list", "subscriber.list", "all subscribers and their packages");
  addById(subscriber, access, {
    word: "suspend",
    name: "subscriber.suspend",
    about: "refuse its devices: closes their receptions and changes the keys",
    done: (id) => `subscriber ${id} is suspended: its receptions are closed, its devices get no further key`,
  });
  addById(subscriber, access, {
    word: "resume",
    name: "subscriber.resume",
    about: "serve its devices again",
    done: (id) => `subscriber ${id} is served again`,
  });
  const subscription = program.command("subscription").description("which subscriber holds which package");
  asJson(subscription.command("add"))
    .argument("<subscriber>")
    .argument("<package>")
    .option("--from <time>", "ISO 8601; default: now", timeOf)
    .option("--until <time>", "ISO 8601; default: for good", timeOf)
    .description("give a package")
    .action(async (who: string, what: string, options: Options) => {
      const { from, until } = options;
      const span = { ...(from === undefined ? {} : { from }), ...(until === undefined ? {} : { until }) };
      const answer = await call(access, "subscription.add", { subscriber: who, package: what, ...span });
      tell(answer, options, `subscriber ${who} holds package ${what}`);
    });
  asJson(subscription.command("remove"))
    .argument("<subscriber>")
    .argument("<package>")
    .description("take a package away: closes what no other package holds and changes the keys")
    .action(async (who: string, what: string, options: Options) => {
      const answer = await call(access, "subscription.remove", { subscriber: who, package: what });
      tell(answer, options, `subscriber ${who} no longer holds package ${what}`);
    });
  addList(subscription, access, "list", "subscription.list", "who holds which package, from when until when");
}

function addOffers(program: Command, access: OperatorAccess): void {
  const channel = program.command("channel").description("what can be received");
  asJson(channel.command("add"))
    .argument("<id>")
    .option("--title <title>")
    .description("register a channel")
    .action(async (id: string, options: Options) => {
      const { title } = options;
      const answer = await call(access, "channel.add", { id, ...(title === undefined ? {} : { title }) });
      registered(answer, options, `channel ${id}`);
    });
  addList(channel, access, "list", "channel.list", "all channels");
  addById(channel, access, {
    word: "remove",
    name: "channel.remove",
    about: "forget a channel that no package has",
    done: (id) => `channel ${id} is forgotten`,
  });
  const packages = program.command("package").description("sets of channels");
  asJson(packages.command("add"))
    .argument("<id>")
    .argument("[channels...]")
    .description("make a package, or add channels to it")
    .action(async (id: string, channels: string[], options: Options) => {
      const answer = await call(access, "package.add", { id, channels });
      tell(
        answer,
        options,
        channels.length === 0 ? `there is a package ${id}` : `package ${id} has ${channels.join(", ")}`,
      );
    });
  addList(packages, access, "list", "package.list", "all packages");
  addById(packages, access, {
    word: "remove",
    name: "package.remove",
    about: "forget a package that nobody holds",
    done: (id) => `package ${id} is forgotten`,
  });
}

function addServices(program: Command, access: OperatorAccess): void {
  const service = program.command("service").description("headends, routers and servers that may use the broker");
  asJson(service.command("add"))
    .argument("<id>", "its name", idOf)
    .description("register a service; says what is left to do there")
    .addOption(new Option("--role <role>").choices(SERVICE_ROLES).makeOptionMandatory())
    .option("--channels <ids>", "for a headend: the only channels it may serve, separated by commas")
    .option("--public-key <key>", "the line that its keygen printed; or an X25519 key alone: then a password is made")
    .option("--identity <file>", "an identity file that exists: its key and password are registered")
    .option("--identity-out <file>", "make keys and a password, and write the identity file")
    .action((id: string, options: Options, command: Command) => {
      const { channels } = options;
      const role = options.role as Role;
      const only = typeof channels === "string" ? { channels: channels.split(",") } : {};
      return register(access, { name: "service.add", role, input: { id, role, ...only } }, options, command);
    });
  addList(service, access, "list", "service.list", "all services");
  addById(service, access, {
    word: "revoke",
    name: "service.revoke",
    about: "refuse it from now on",
    done: (id) => `service ${id} is revoked`,
  });
}

interface PolicyOptions extends Options {
  readonly all?: boolean;
}

/** Who is meant, and what else was said: of `--all` no name of a router, else exactly one. */
function routersOf(words: readonly string[], most: number, options: PolicyOptions, command: Command) {
  const [router, ...rest] = options.all === true ? [ALL_ROUTERS, ...words] : words.map(String);
  if (router === undefined || rest.length !== most)
    command.error(`error: it takes the name of a router or --all${most === 0 ? "" : ", and then a file"}`);
  const who = router === ALL_ROUTERS ? "all routers that have none of their own" : `router ${router}`;
  return { router, rest, who };
}

function addPolicies(program: Command, access: OperatorAccess): void {
  const policy = program
    .command("router")
    .description("routers")
    .command("policy")
    .description("rules, limits, bandwidths, static groups and what is enforced, which routers have from here");
  const forRouters = (words: string): Command =>
    asJson(policy.command(words)).option("--all", "for all routers that have none of their own, later ones too");
  forRouters("set [words...]")
    .usage("[options] ROUTER|--all FILE")
    .description("give the JSON of FILE, entries as a router's file has them; each takes the place of the file's")
    .action(async (words: string[], options: PolicyOptions, command: Command) => {
      const { router, rest, who } = routersOf(words, 1, options, command);
      const answer = await call(access, "router.policy.set", { router, policy: policyIn(String(rest[0])) });
      tell(answer, options, givenSentence(`${who}: policy`, answer));
    });
  forRouters("show [words...]")
    .usage("[options] ROUTER|--all")
    .description("the policy that was given, as `set` takes it; --json: with its revision")
    .action(async (words: string[], options: PolicyOptions, command: Command) => {
      const { router } = routersOf(words, 0, options, command);
      const answer = (await call(access, "router.policy.show", { router })) as { readonly policy: object };
      print(jsonText(options.json === true ? answer : answer.policy));
    });
  forRouters("clear [words...]")
    .usage("[options] ROUTER|--all")
    .description("take it back: the one for all holds, or the router's own file")
    .action(async (words: string[], options: PolicyOptions, command: Command) => {
      const { router, who } = routersOf(words, 0, options, command);
      const answer = await call(access, "router.policy.clear", { router });
      tell(answer, options, givenSentence(`${who}: no policy, as`, answer));
    });
  addList(policy, access, "list", "router.policy.list", "which revision each router has taken and when, or why not");
}

function givenSentence(what: string, answer: unknown): string {
  const { revision, keepTheirOwn = [] } = answer as { readonly revision: number; readonly keepTheirOwn?: string[] };
  const others = keepTheirOwn.length === 0 ? "" : `; with one of their own: ${keepTheirOwn.join(", ")}`;
  return `${what} of revision ${revision}; \`router policy list\` tells who has taken it${others}`;
}

function policyIn(file: string): string {
  try {
    const text = readText(file);
    if (text !== undefined) return text;
  } catch (cause) {
    throw new HalError("policy.unreadable", `cannot read ${file}`, { cause });
  }
  throw new CommandRefused(`${file} is larger than 4 MiB`);
}

function addRekey(program: Command, access: OperatorAccess): void {
  asJson(program.command("rekey"))
    .argument("<channel>")
    .description("change the key of a channel now")
    .action(async (channel: string, options: Options) => {
      tell(await call(access, "rekey", { channel }), options, `the key of ${channel} is being changed`);
    });
}
