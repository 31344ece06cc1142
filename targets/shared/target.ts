// The frame of every bundle: command line, configuration check, logger, local socket, signals, exit codes.
import { Command, CommanderError, Option } from "commander";
import type * as v from "valibot";
import { printable } from "../../core/base/printable.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { HalError } from "../../core/ports/errors.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { type AdminDoor, ask, askRows, CommandRefused, type Commands, openDoor, type Served } from "./admin.ts";
import { type Checked, type ConfigSource, configSource, defaultSocket, type Fault, loadConfig } from "./config.ts";
import { EXIT, exitCodeOf, exitHelp, explain } from "./exit.ts";
import { licenses } from "./licenses.ts";
import { createLogger, type Logger, type LogOptions } from "./log.ts";
import { version } from "./version.ts";

/** What every configuration has besides the target's own entries. */
export interface CommonConfig {
  readonly id?: string | undefined;
  readonly socket?: string | undefined;
  readonly log: { readonly level: LogOptions["level"]; readonly format: LogOptions["format"] };
}

/** What the frame gives a target. */
export interface Runtime {
  readonly log: Logger;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Our own mistake, or a failure that nothing here can mend: logs, stops in order, exits with the fitting code. */
  fatal(error: unknown): void;
  /** Ends the process in order, for a service whose work is done. */
  finish(): void;
}

/** A running target. */
export interface Service<Config> {
  /** What `status --json` shows; plain JSON values. */
  status(): object;
  /** What it lacks to do its work, and goes on without until it comes: "waiting for interface eth1". */
  waiting?(): string | undefined;
  /** Commands for the local socket; a handler throws CommandRefused for what it will not do. */
  readonly commands?: Commands;
  /** SIGHUP with a valid new configuration. Without it SIGHUP only says that a restart is needed. */
  reload?(config: Config): void | Promise<void>;
  /**
   * Ends so that the next start goes on where this one was, without a gap. A service that has it is handed over by the first SIGTERM,
   * and stopped by a second one or by SIGINT, also while it hands over. A mistake of ours (70) then ends the process as it is: what is
   * to outlive it must not be taken down by a state that is wrong. False: nothing could be left, so that this was a stop.
   */
  handOver?(): boolean | Promise<boolean>;
  /** Leaves groups, sends stops, closes. The frame exits after `STOP_LIMIT` whatever happens. */
  stop(): void | Promise<void>;
}

/** What every program gives the frame. */
interface Program<Config> {
  readonly name: string;
  readonly summary: string;
  readonly config: v.GenericSchema<unknown, Config>;
}

/** A program that does what its own commands say, and ends: there is nothing to run, and nothing to ask for its status. */
export interface Tool<Config> extends Program<Config> {
  /** `config` gives the checked configuration of file and `--set`; it ends the process with 78 when that has faults. */
  extend(program: Command, config: () => Config): void;
}

/** What a target gives the frame. */
export interface Target<Config extends CommonConfig> extends Program<Config> {
  start(config: Config, runtime: Runtime): Promise<Service<Config>>;
  /** Standard output belongs to the stream for this configuration: logs go to standard error. */
  outputIsStdout?(config: Config): boolean;
  /** The person's form of `status`; default: indented JSON. */
  showStatus?(status: unknown): string;
  /** What `status` may be asked instead of everything. */
  readonly question?: StatusQuestion<Config>;
  /** Further subcommands. */
  extend?(program: Command, frame: Frame<Config>): void;
}

/** An option of `status` with values, which a target answers itself. */
export interface StatusQuestion<Config> {
  /** As commander takes it: "--why <group host...>". */
  readonly flags: string;
  readonly description: string;
  /** Prints the answer and sets the exit code. */
  ask(values: readonly string[], json: boolean, frame: Frame<Config>): Promise<void>;
}

/** What a target's own subcommands may use. */
export interface Frame<Config> {
  /** The checked configuration of file and `--set`; ends the process with 78 when it has faults. */
  config(): Config;
  /** Where `config()` comes from and where the process would listen, in words. */
  whereabouts(): { readonly configuration: string; readonly socket: string };
  /** Sends a command to the running process: its answer, or undefined when none runs. Throws CommandRefused or HalError. */
  command(name: string, input: unknown): Promise<{ readonly answer: unknown } | undefined>;
  /** The same for a command that answers with a list: its rows as they come. */
  rows(name: string, input: unknown): Promise<AsyncIterable<object> | undefined>;
}

/** Between SIGTERM and exit, in milliseconds: claim of the README is "under 2 s". */
const STOP_LIMIT = 1_800;

/** What ends a service that cannot be handed over is a stop. */
type Ending = "hand over" | "stop";

interface GlobalOptions {
  readonly config?: string;
  readonly set: string[];
}

const MOST_SHOWN = 100;

function reportFaults(name: string, faults: readonly Fault[]): void {
  process.stderr.write(
    `sealcast-${name}: the configuration has ${faults.length} fault${faults.length === 1 ? "" : "s"}:\n`,
  );
  for (const fault of faults.slice(0, MOST_SHOWN))
    process.stderr.write(`  ${printable(fault.path)}: ${printable(fault.message)}\n`);
  if (faults.length > MOST_SHOWN) process.stderr.write(`  and ${faults.length - MOST_SHOWN} more\n`);
}

function exitWith(code: number): never {
  process.exit(code);
}

/** What the frame itself knows of a program's command line. */
interface Loading<Config> {
  readonly program: Command;
  readonly source: () => ConfigSource;
  readonly load: () => Checked<Config>;
  /** Ends the process with 78 when there are faults. */
  readonly config: () => Config;
}

/** Parses the command line and does what it says; sets the exit code. Never returns a rejected promise. */
export function runTarget<Config extends CommonConfig>(target: Target<Config>, argv = process.argv): Promise<void> {
  return runProgram(target, argv, (loading) => addCommands(target, loading));
}

/** The same for a tool: without a command it says which there are, and ends with 64. */
export function runTool<Config>(tool: Tool<Config>, argv = process.argv): Promise<void> {
  return runProgram(tool, argv, ({ program, config }) => tool.extend(program, config));
}

async function runProgram<Config>(
  { name, summary, config: schema }: Program<Config>,
  argv: readonly string[],
  extend: (loading: Loading<Config>) => void,
): Promise<void> {
  const usual = `/etc/sealcast/${name}.json`;
  const program = new Command(`sealcast-${name}`)
    .description(summary)
    .version(version)
    .option("-c, --config <file>", `configuration, a JSON file (default: ${usual}, where it is)`)
    .option(
      "--set <path=value>",
      "override one entry of the configuration; may be repeated",
      (s, all: string[]) => [...all, s],
      [],
    )
    .addHelpText("after", `\n${exitHelp()}`)
    .option("--licenses", "print the licences of everything inside this program")
    .on("option:licenses", () => {
      process.stdout.write(licenses());
      throw new CommanderError(0, "sealcast.licenses", "printed");
    })
    .exitOverride()
    .showHelpAfterError("(--help tells more)");
  const source = () => configSource(name, program.opts<GlobalOptions>().config);
  const load = (): Checked<Config> => loadConfig(schema, source().file, program.opts<GlobalOptions>().set);
  const config = (): Config => {
    const checked = load();
    if (checked.ok) return checked.config;
    reportFaults(name, checked.faults);
    exitWith(EXIT.configuration);
  };
  // A reader of our standard output that went away must not end the process by an exception.
  process.stdout.on("error", () => {});
  addCheckConfig(program, config, source);
  extend({ program, source, load, config });

  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      return;
    }
    process.stderr.write(`sealcast-${name}: ${explain(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

function addCheckConfig(program: Command, config: () => unknown, source: () => ConfigSource): void {
  program
    .command("check-config")
    .description("check the configuration and exit: 0 if it is right, 78 with every fault listed if not")
    .action(() => {
      config();
      const { file } = source();
      process.stdout.write(`the configuration is right${file === undefined ? "" : `: ${file}`}\n`);
    });
}

/** What a process that runs has besides: `run`, `status` and its own commands. */
function addCommands<Config extends CommonConfig>(
  target: Target<Config>,
  { program, source, load, config }: Loading<Config>,
): void {
  const socketOf = (c: Config): string => c.socket ?? defaultSocket(target.name, c.id);
  const frame: Frame<Config> = {
    config,
    whereabouts: () => ({ configuration: source().words, socket: socketOf(config()) }),
    command: (name, input) => sendCommand(socketOf(config()), name, input),
    rows: (name, input) => sendForRows(socketOf(config()), name, input),
  };
  program
    .command("run", { isDefault: true })
    .description("run until SIGTERM or SIGINT (the default)")
    .action(() => run(target, config(), load, socketOf));
  addStatus(program, target, frame, () => socketOf(config()));
  target.extend?.(program, frame);
}

function addStatus<Config extends CommonConfig>(
  program: Command,
  target: Target<Config>,
  frame: Frame<Config>,
  socket: () => string,
): void {
  const { question } = target;
  const status = program
    .command("status")
    .description("what the running process says of itself")
    .option("--json", "as JSON");
  const option = question && new Option(question.flags, question.description);
  if (option !== undefined) status.addOption(option);
  status.action((options: Readonly<Record<string, unknown>>) => {
    const json = options.json === true;
    const values = option && (options[option.attributeName()] as readonly string[] | undefined);
    if (question === undefined || values === undefined) return showStatus(target, socket(), json);
    return question.ask(values, json, frame);
  });
}

async function showStatus<Config extends CommonConfig>(
  target: Target<Config>,
  socket: string,
  json: boolean,
): Promise<void> {
  const got = await ask(socket, "/status");
  if (got === undefined) {
    process.stderr.write(`sealcast-${target.name} is not running (nobody listens on ${socket})\n`);
    exitWith(EXIT.unavailable);
  }
  if (got.code !== 200) {
    process.stderr.write(`${refusalOf(got)}\n`);
    exitWith(EXIT.unavailable);
  }
  const text = json || target.showStatus === undefined ? jsonText(got.body) : target.showStatus(got.body);
  process.stdout.write(`${text}\n`);
}

/** Escapes are JSON too: what comes from outside does nothing to a terminal and reads back the same. */
export const jsonText = (value: unknown): string =>
  JSON.stringify(value, undefined, 2).split("\n").map(printable).join("\n");

function refusalOf({ code, body }: { readonly code: number; readonly body: unknown }): string {
  const told = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
  return String(told ?? `answer ${code}`);
}

async function sendCommand(socket: string, name: string, input: unknown): Promise<{ answer: unknown } | undefined> {
  const got = await ask(socket, `/command/${name}`, input);
  if (got === undefined) return undefined;
  if (got.code === 200) return { answer: got.body };
  throw failureOf(got);
}

async function sendForRows(socket: string, name: string, input: unknown): Promise<AsyncIterable<object> | undefined> {
  const got = await askRows(socket, `/command/${name}`, input);
  if (got === undefined) return undefined;
  if ("rows" in got) return got.rows;
  throw failureOf(got);
}

function failureOf(got: { readonly code: number; readonly body: unknown }): Error {
  const { code } = (got.body ?? {}) as { readonly code?: unknown };
  if (got.code === 422) return new CommandRefused(refusalOf(got));
  return new HalError(typeof code === "string" ? code : "command.failed", refusalOf(got));
}

/** Starts the service and ties it to the signals; resolves when it runs. */
async function run<Config extends CommonConfig>(
  target: Target<Config>,
  config: Config,
  load: () => Checked<Config>,
  socketOf: (config: Config) => string,
): Promise<void> {
  const toStderr = target.outputIsStdout?.(config) ?? false;
  const log = createLogger({ ...config.log, toStderr }, target.name, config.id);
  let service: Service<Config> | undefined;
  let door: AdminDoor | undefined;
  let ending: Ending | undefined;

  /** Ends what the start has opened, so that it waits for that. What it did; undefined: a stop that came meanwhile has the last word. */
  const ended = async (code: number, wish: Ending): Promise<"handed over" | "stopped" | undefined> => {
    await started;
    if (ending !== wish) return undefined;
    const running = service;
    if (code === EXIT.software && running?.handOver !== undefined) exitWith(code);
    const how = running?.handOver === undefined ? "stop" : wish;
    ending = how;
    const isLeft = how === "hand over" ? await running?.handOver?.() : await running?.stop();
    await door?.close();
    if (ending !== how) return undefined;
    return isLeft === true ? "handed over" : "stopped";
  };
  const end = (code: number, wish: Ending = "stop"): void => {
    if (ending === "stop" || ending === wish) return;
    ending = wish;
    setTimeout(() => {
      log.error({ afterMs: STOP_LIMIT }, "stopping took too long: exiting as it is");
      exitWith(code);
    }, STOP_LIMIT);
    ended(code, wish).then(
      (done) => {
        if (done === undefined) return;
        log.info({ code }, done);
        exitWith(code);
      },
      (error) => {
        log.error({ err: error }, "stopping failed");
        exitWith(code === EXIT.ok ? EXIT.software : code);
      },
    );
  };
  const fatal = (error: unknown): void => {
    log.fatal(error instanceof HalError ? { code: error.code } : { err: error }, explain(error));
    end(exitCodeOf(error));
  };

  process.on("SIGTERM", () => end(EXIT.ok, ending === undefined ? "hand over" : "stop"));
  process.on("SIGINT", () => end(EXIT.ok));
  process.on("uncaughtException", fatal);
  process.on("unhandledRejection", fatal);
  const runtime: Runtime = { log, clock: systemClock, entropy: systemEntropy, fatal, finish: () => end(EXIT.ok) };
  const start = async (): Promise<void> => {
    const path = socketOf(config);
    // First, because it keeps a second process with this configuration from our journal, our store and our place on the bus.
    if (path !== "") door = await openDoor(path, fatal);
    service = await target.start(config, runtime);
    if (ending !== undefined) return;
    door?.serve(servedBy(target.name, config.id, service));
    const lack = service.waiting?.();
    if (lack === undefined) log.info({ version, node: process.version }, "running");
    else log.warn({ version, node: process.version }, `running, ${lack}`);
  };
  const started = Promise.resolve()
    .then(start)
    .catch((error) => fatal(error instanceof Error ? error : new HalError("start.failed", String(error))));
  let turn = started;
  process.on("SIGHUP", () => {
    turn = turn.then(() => reload(service, load, log, fatal));
  });
  await turn;
}

const stateOf = (service: Pick<Service<never>, "waiting">): string => service.waiting?.() ?? "running";

function servedBy<Config>(role: string, id: string | undefined, service: Service<Config>): Served {
  const started = Date.now();
  const uptime = (): number => Math.round((Date.now() - started) / 1000);
  return {
    status: () => ({ role, id, version, uptime: uptime(), state: stateOf(service), ...service.status() }),
    commands: service.commands ?? {},
  };
}

/** Never rejects. What the machine refuses of a new configuration leaves the old one in force. */
async function reload<Config extends CommonConfig>(
  service: Service<Config> | undefined,
  load: () => Checked<Config>,
  log: Logger,
  fatal: (error: unknown) => void,
): Promise<void> {
  const checked = load();
  if (!checked.ok) {
    log.error({ faults: checked.faults }, "the new configuration has faults: going on with the old one");
    return;
  }
  if (service?.reload === undefined) {
    log.warn("this target takes a new configuration only by a restart");
    return;
  }
  try {
    await service.reload(checked.config);
    log.info("configuration reloaded");
  } catch (error) {
    if (!(error instanceof HalError)) fatal(error);
    else log.error({ code: error.code }, `${explain(error)}\ngoing on with the old configuration`);
  }
}
