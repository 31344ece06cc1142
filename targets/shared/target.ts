// The frame of every bundle: command line, configuration check, logger, local socket, signals, exit codes.
import { Command, CommanderError } from "commander";
import type * as v from "valibot";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import { HalError } from "../../core/ports/errors.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { ask, type Commands, openDoor } from "./admin.ts";
import { type Checked, defaultSocket, type Fault, loadConfig } from "./config.ts";
import { EXIT, exitCodeOf, explain } from "./exit.ts";
import { createLogger, type Logger, type LogOptions } from "./log.ts";
import { version } from "./version.ts";

/** What every configuration has besides the target's own entries. */
export interface CommonConfig {
  readonly id?: string | undefined;
  readonly socket?: string | undefined;
  readonly log: { readonly level: LogOptions["level"]; readonly format: LogOptions["format"] };
}

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
  /** Commands for the local socket; a handler throws CommandRefused for what it will not do. */
  readonly commands?: Commands;
  /** SIGHUP with a valid new configuration. Without it SIGHUP only says that a restart is needed. */
  reload?(config: Config): void | Promise<void>;
  /** Leaves groups, sends stops, closes. The frame exits after `STOP_LIMIT` whatever happens. */
  stop(): void | Promise<void>;
}

export interface Target<Config extends CommonConfig> {
  readonly name: string;
  readonly summary: string;
  readonly config: v.GenericSchema<unknown, Config>;
  start(config: Config, runtime: Runtime): Promise<Service<Config>>;
  /** Standard output belongs to the stream for this configuration: logs go to standard error. */
  outputIsStdout?(config: Config): boolean;
  /** The person's form of `status`; default: indented JSON. */
  showStatus?(status: unknown): string;
  /** Further subcommands. */
  extend?(program: Command, frame: Frame<Config>): void;
}

/** What a target's own subcommands may use. */
export interface Frame<Config> {
  /** The checked configuration of `--config` and `--set`; ends the process with 78 when it has faults. */
  config(): Config;
  /** Sends a command to the running process: its answer, or undefined when none runs. Ends the process on a refusal. */
  command(name: string, input: unknown): Promise<{ readonly answer: unknown } | undefined>;
}

/** Between SIGTERM and exit, in milliseconds: claim of the README is "under 2 s". */
const STOP_LIMIT = 1_800;

interface GlobalOptions {
  readonly config?: string;
  readonly set: string[];
}

function reportFaults(name: string, faults: readonly Fault[]): void {
  process.stderr.write(
    `sealcast-${name}: the configuration has ${faults.length} fault${faults.length === 1 ? "" : "s"}:\n`,
  );
  for (const fault of faults) process.stderr.write(`  ${fault.path}: ${fault.message}\n`);
}

function exitWith(code: number): never {
  process.exit(code);
}

/** Parses the command line and does what it says; sets the exit code. Never returns a rejected promise. */
export async function runTarget<Config extends CommonConfig>(
  target: Target<Config>,
  argv = process.argv,
): Promise<void> {
  const program = new Command(`sealcast-${target.name}`)
    .description(target.summary)
    .version(version)
    .option("-c, --config <file>", "configuration, a JSON file")
    .option(
      "--set <path=value>",
      "override one entry of the configuration; may be repeated",
      (s, all: string[]) => [...all, s],
      [],
    )
    .exitOverride()
    .showHelpAfterError();
  const load = (): Checked<Config> => {
    const options = program.opts<GlobalOptions>();
    return loadConfig(target.config, options.config, options.set);
  };
  const config = (): Config => {
    const checked = load();
    if (checked.ok) return checked.config;
    reportFaults(target.name, checked.faults);
    exitWith(EXIT.configuration);
  };
  const socketOf = (c: Config): string => c.socket ?? defaultSocket(target.name, c.id);
  const command = (name: string, input: unknown) => sendCommand(socketOf(config()), name, input);

  program
    .command("run", { isDefault: true })
    .description("run until SIGTERM (the default)")
    .action(() => run(target, config(), load, socketOf));
  program
    .command("check-config")
    .description("check the configuration and exit: 0 if it is right, 78 with every fault listed if not")
    .action(() => {
      config();
      process.stdout.write("the configuration is right\n");
    });
  program
    .command("status")
    .description("what the running process says of itself")
    .option("--json", "as JSON")
    .action(async (options: { json?: boolean }) => {
      const socket = socketOf(config());
      const got = await ask(socket, "/status");
      if (got === undefined) {
        process.stderr.write(`sealcast-${target.name} is not running (nobody listens on ${socket})\n`);
        exitWith(EXIT.unavailable);
      }
      const text =
        options.json || target.showStatus === undefined
          ? JSON.stringify(got.body, undefined, 2)
          : target.showStatus(got.body);
      process.stdout.write(`${text}\n`);
    });
  target.extend?.(program, { config, command });
  for (const sub of program.commands) sub.exitOverride().showHelpAfterError();

  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      return;
    }
    process.stderr.write(`sealcast-${target.name}: ${explain(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

async function sendCommand(socket: string, name: string, input: unknown): Promise<{ answer: unknown } | undefined> {
  const got = await ask(socket, `/command/${name}`, input);
  if (got === undefined) return undefined;
  if (got.code === 200) return { answer: got.body };
  const told = got.body as { error?: unknown };
  process.stderr.write(`${String(told.error ?? `answer ${got.code}`)}\n`);
  exitWith(got.code === 422 ? EXIT.data : EXIT.unavailable);
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
  let door: { close(): Promise<void> } | undefined;
  let ending = false;

  const end = (code: number): void => {
    if (ending) return;
    ending = true;
    setTimeout(() => {
      log.error({ afterMs: STOP_LIMIT }, "stopping took too long: exiting as it is");
      exitWith(code);
    }, STOP_LIMIT);
    const stopped = async (): Promise<void> => {
      await service?.stop();
      await door?.close();
    };
    stopped().then(
      () => {
        log.info({ code }, "stopped");
        exitWith(code);
      },
      (error) => {
        log.error({ err: error }, "stopping failed");
        exitWith(code === EXIT.ok ? EXIT.software : code);
      },
    );
  };
  const fatal = (error: unknown): void => {
    log.fatal({ err: error }, explain(error));
    end(exitCodeOf(error));
  };

  process.on("SIGTERM", () => end(EXIT.ok));
  process.on("SIGINT", () => end(EXIT.ok));
  process.on("uncaughtException", fatal);
  process.on("unhandledRejection", fatal);
  // A reader of our standard output that went away must not end the process by a signal.
  process.stdout.on("error", () => {});

  const runtime: Runtime = { log, clock: systemClock, entropy: systemEntropy, fatal, finish: () => end(EXIT.ok) };
  try {
    service = await target.start(config, runtime);
    const path = socketOf(config);
    if (path !== "")
      door = await openDoor(path, statusOf(target.name, config.id, service), service.commands ?? {}, fatal);
  } catch (error) {
    fatal(error instanceof Error ? error : new HalError("start.failed", String(error)));
    return;
  }
  process.on("SIGHUP", () => reload(service, load, log, fatal));
  log.info({ version, node: process.version }, "running");
}

function statusOf<Config>(role: string, id: string | undefined, service: Service<Config>): () => object {
  const started = Date.now();
  return () => ({ role, id, version, uptime: Math.round((Date.now() - started) / 1000), ...service.status() });
}

function reload<Config extends CommonConfig>(
  service: Service<Config> | undefined,
  load: () => Checked<Config>,
  log: Logger,
  fatal: (error: unknown) => void,
): void {
  const checked = load();
  if (!checked.ok) {
    log.error({ faults: checked.faults }, "the new configuration has faults: going on with the old one");
    return;
  }
  if (service?.reload === undefined) {
    log.warn("this target takes a new configuration only by a restart");
    return;
  }
  Promise.resolve(service.reload(checked.config)).then(() => log.info("configuration reloaded"), fatal);
}
