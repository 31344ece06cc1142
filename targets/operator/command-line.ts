// The operator's command line, for `control` and `reception`: speaks to the running process, or opens the store when none runs.
import type { Command } from "commander";
import { toHex } from "../../core/base/bytes.ts";
import type { Role } from "../../core/control/participant.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { Primitives } from "../../core/ports/primitives.ts";
import { createIdentity, readIdentity } from "../../hal/identity/file.ts";
import { generateIdentity } from "../../hal/identity/identity.ts";
import { CommandRefused, type Commands } from "../shared/admin.ts";
import { EXIT } from "../shared/exit.ts";
import type { OperatorCommand } from "./commands.ts";
import type { Listed } from "./listing.ts";
import { formatTable } from "./table.ts";

export interface OperatorPowers {
  readonly primitives: Primitives;
  readonly entropy: Entropy;
  /** Asks the running process; undefined when none runs. */
  ask(name: OperatorCommand, input: unknown): Promise<{ readonly answer: unknown } | undefined>;
  /** The same commands on the store itself, for as long as `work` takes. */
  offline(work: (commands: Commands) => Promise<unknown>): Promise<unknown>;
}

interface Options {
  readonly json?: boolean;
  readonly [name: string]: string | boolean | undefined;
}

/** Adds all operator commands to the program. */
export function addOperatorCommands(program: Command, powers: OperatorPowers): void {
  addDevices(program, powers);
  addSubscribers(program, powers);
  addOffers(program, powers);
  addServices(program, powers);
  addRecords(program, powers);
}

async function call(powers: OperatorPowers, name: OperatorCommand, input: object): Promise<unknown> {
  const online = await powers.ask(name, input);
  if (online !== undefined) return online.answer;
  try {
    return await powers.offline(async (commands) => commands[name]?.(input));
  } catch (error) {
    if (error instanceof CommandRefused) refuse(error.message);
    throw error;
  }
}

function refuse(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(EXIT.data);
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const printJson = (value: unknown): void => print(JSON.stringify(value, undefined, 2));

function addList(parent: Command, powers: OperatorPowers, words: string, name: OperatorCommand, about: string): void {
  parent
    .command(words)
    .description(about)
    .option("--json", "as JSON")
    .action(async (options: Options) => show(await call(powers, name, {}), options));
}

function show(rows: unknown, { json }: Options): void {
  if (json === true) printJson(rows);
  else print(formatTable(rows as readonly Listed[]));
}

/** What an edit did: a sentence for a person, or the answer as JSON. */
function tell(answer: unknown, { json }: Options, sentence: string): void {
  if (json === true) printJson(answer);
  else print(sentence);
}

const asJson = (command: Command): Command => command.option("--json", "as JSON");

interface ById {
  readonly word: string;
  readonly name: OperatorCommand;
  readonly about: string;
  done(id: string, answer: unknown): string;
}

/** A command with one id. */
function addById(parent: Command, powers: OperatorPowers, { word, name, about, done }: ById): void {
  asJson(parent.command(word).argument("<id>").description(about)).action(async (id: string, options: Options) => {
    const answer = await call(powers, name, { id });
    tell(answer, options, done(id, answer));
  });
}

/** A registration; the password is there only when the server made it. */
function registered(answer: unknown, options: Options, what: string): void {
  const { password } = answer as { readonly password?: string };
  const shown = password === undefined ? "" : `\nits broker password, shown only now: ${password}`;
  tell(answer, options, `${what} is registered${shown}`);
}

function revokedSentence(id: string, answer: unknown): string {
  const { rekeyed } = answer as { readonly rekeyed: readonly string[] };
  const keys = rekeyed.length === 0 ? "it held no key" : `the keys of ${rekeyed.join(", ")} are being changed`;
  return `set-top ${id} is revoked; ${keys}`;
}

function addDevices(program: Command, powers: OperatorPowers): void {
  const device = program.command("device").description("set-tops");
  asJson(device.command("add"))
    .argument("<id>")
    .description("register a set-top; prints its broker password once, unless it has an identity file")
    .requiredOption("--subscriber <id>", "who pays for it")
    .option("--mac <address>", "its Ethernet address, to hold the routers' evidence against")
    .option("--public-key <hex>", "X25519, as its keygen printed it")
    .option("--identity <file>", "an identity file that exists: its key and password are registered")
    .option("--identity-out <file>", "make keys and a password, and write the identity file for the box")
    .action(async (id: string, options: Options) => {
      const { subscriber, mac } = options;
      const input = { id, subscriber, ...(mac === undefined ? {} : { mac }) };
      await register(powers, "device.add", "settop", input, options);
    });
  addList(device, powers, "list", "device.list", "all set-tops");
  addById(device, powers, {
    word: "revoke",
    name: "device.revoke",
    about: "take its right away: closes its receptions and changes the keys",
    done: revokedSentence,
  });
  addById(device, powers, {
    word: "remove",
    name: "device.remove",
    about: "forget a revoked set-top; its usage records stay",
    done: (id) => `set-top ${id} is forgotten`,
  });
}

/** Keys from one of three places; an identity file is written only when the server has taken the registration. */
async function register(
  powers: OperatorPowers,
  name: "device.add" | "service.add",
  role: Role,
  input: { readonly id: string },
  options: Options,
): Promise<void> {
  const given = [options.publicKey, options.identity, options.identityOut].filter((o) => o !== undefined);
  if (given.length !== 1) refuse("exactly one of --public-key, --identity, --identity-out is needed");
  const what = `${role === "settop" ? "set-top" : role} ${input.id}`;
  if (typeof options.publicKey === "string") {
    const answer = await call(powers, name, { ...input, publicKey: options.publicKey });
    registered(answer, options, what);
    return;
  }
  const identity =
    typeof options.identity === "string"
      ? readIdentity(options.identity, powers.primitives)
      : generateIdentity(role, input.id, powers.primitives, powers.entropy);
  if (identity.id !== input.id || identity.role !== role)
    refuse(`${String(options.identity)} belongs to the ${identity.role} ${identity.id}`);
  if (typeof options.identityOut === "string") createIdentity(options.identityOut, identity);
  const keys = { publicKey: toHex(identity.x25519.publicKey), password: identity.password };
  registered(await call(powers, name, { ...input, ...keys }), options, what);
}

function addSubscribers(program: Command, powers: OperatorPowers): void {
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
      registered(await call(powers, "subscriber.add", input), options, `subscriber ${id}`);
    });
  addList(subscriber, powers, "list", "subscriber.list", "all subscribers and their packages");
  addById(subscriber, powers, {
    word: "suspend",
    name: "subscriber.suspend",
    about: "refuse its devices: closes their receptions and changes the keys",
    done: (id) => `subscriber ${id} is suspended: its receptions are closed, its devices get no further key`,
  });
  addById(subscriber, powers, {
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
      const answer = await call(powers, "subscription.add", { subscriber: who, package: what, ...span });
      tell(answer, options, `subscriber ${who} holds package ${what}`);
    });
  asJson(subscription.command("remove"))
    .argument("<subscriber>")
    .argument("<package>")
    .description("take a package away: closes what no other package holds and changes the keys")
    .action(async (who: string, what: string, options: Options) => {
      const answer = await call(powers, "subscription.remove", { subscriber: who, package: what });
      tell(answer, options, `subscriber ${who} no longer holds package ${what}`);
    });
  addList(subscription, powers, "list", "subscription.list", "who holds which package, from when until when");
}

function addOffers(program: Command, powers: OperatorPowers): void {
  const channel = program.command("channel").description("what can be received");
  asJson(channel.command("add"))
    .argument("<id>")
    .option("--title <title>")
    .description("register a channel")
    .action(async (id: string, options: Options) => {
      const { title } = options;
      const answer = await call(powers, "channel.add", { id, ...(title === undefined ? {} : { title }) });
      registered(answer, options, `channel ${id}`);
    });
  addList(channel, powers, "list", "channel.list", "all channels");
  addById(channel, powers, {
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
      const answer = await call(powers, "package.add", { id, channels });
      tell(
        answer,
        options,
        channels.length === 0 ? `there is a package ${id}` : `package ${id} has ${channels.join(", ")}`,
      );
    });
  addList(packages, powers, "list", "package.list", "all packages");
  addById(packages, powers, {
    word: "remove",
    name: "package.remove",
    about: "forget a package that nobody holds",
    done: (id) => `package ${id} is forgotten`,
  });
}

function addServices(program: Command, powers: OperatorPowers): void {
  const service = program.command("service").description("headends, routers and servers that may use the broker");
  asJson(service.command("add"))
    .argument("<id>")
    .description("register a service; prints its broker password once, unless it has an identity file")
    .requiredOption("--role <role>", "headend, router, keyserver or reception")
    .option("--channels <ids>", "for a headend: the only channels it may serve, separated by commas")
    .option("--public-key <hex>", "X25519, as its keygen printed it")
    .option("--identity <file>", "an identity file that exists: its key and password are registered")
    .option("--identity-out <file>", "make keys and a password, and write the identity file")
    .action(async (id: string, options: Options) => {
      const { role, channels } = options;
      const only = typeof channels === "string" ? { channels: channels.split(",") } : {};
      await register(powers, "service.add", role as Role, { id, ...only, ...{ role } }, options);
    });
  addList(service, powers, "list", "service.list", "all services");
  addById(service, powers, {
    word: "revoke",
    name: "service.revoke",
    about: "refuse it from now on",
    done: (id) => `service ${id} is revoked`,
  });
}

function addRecords(program: Command, powers: OperatorPowers): void {
  addList(program, powers, "receptions", "receptions", "who receives what, since when");
  program
    .command("usage")
    .description("usage records: what was received, from when until when, and why it ended")
    .option("--since <time>", "began at or after (ISO 8601)", timeOf)
    .option("--until <time>", "began before (ISO 8601)", timeOf)
    .option("--device <id>")
    .option("--channel <id>")
    .option("--json", "as JSON")
    .action(async ({ json, ...filters }: Options) =>
      show(await call(powers, "usage", filters), json === undefined ? {} : { json }),
    );
  addList(program, powers, "denials", "denials", "the newest refusals and their reasons");
  addList(program, powers, "memberships", "memberships", "what the routers saw, held against the receptions");
  addList(program, powers, "epochs", "epochs", "keys that are kept, without the keys");
  asJson(program.command("rekey").argument("<channel>").description("change the key of a channel now")).action(
    async (channel: string, options: Options) =>
      tell(await call(powers, "rekey", { channel }), options, `the key of ${channel} is being changed`),
  );
}

/** Milliseconds since 1970; the command's own check names what is no number. */
function timeOf(text: string): number | string {
  const parsed = Date.parse(text);
  return Number.isNaN(parsed) ? text : parsed;
}

const wholeNumber = (text: string): number | string => (/^\d{1,6}$/.test(text) ? Number(text) : text);
