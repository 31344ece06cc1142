// sealcast-settop: joins, asks for keys, decrypts, hands on, and says when it stops (claims 8 and 9).
import { readFileSync } from "node:fs";
import { HalError } from "../../core/ports/errors.ts";
import { MqttBuses, type MqttOptions } from "../../hal/bus/mqtt.ts";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { NodeDatagrams } from "../../hal/datagram/node.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { createIdentity, readIdentity } from "../../hal/identity/file.ts";
import { generateIdentity, type Identity, publicIdentity } from "../../hal/identity/identity.ts";
import { FileJournal } from "../../hal/journal/file.ts";
import { openOutput } from "../../hal/output/open.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { CommandRefused, type Commands } from "../shared/admin.ts";
import { EXIT } from "../shared/exit.ts";
import { type Frame, type Runtime, runTarget, type Service, type Target } from "../shared/target.ts";
import { type BrokerConfig, outputOf, type SettopConfig, settopConfig } from "./config.ts";
import { systemdNotifier } from "./notify.ts";
import { SettopService } from "./service.ts";
import { statusText } from "./status-text.ts";

const primitives = new NodePrimitives();

function readOwnIdentity({ id, identity: path }: SettopConfig): Identity {
  const identity = readIdentity(path, primitives);
  if (identity.role === "settop" && identity.id === id) return identity;
  throw new HalError(
    "identity.invalid",
    `${path} belongs to the ${identity.role} ${identity.id}, not to the settop ${id}`,
  );
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new HalError("bus.tls-file", `cannot read ${path}`, { cause });
  }
}

function mqttOptions({ url, protocolVersion, ca, cert, key }: BrokerConfig, password: string): MqttOptions {
  const tls = {
    ...(ca === undefined ? {} : { ca: readPem(ca) }),
    ...(cert === undefined ? {} : { cert: readPem(cert) }),
    ...(key === undefined ? {} : { key: readPem(key) }),
  };
  return { url, password, version: protocolVersion, ...(Object.keys(tls).length === 0 ? {} : { tls }) };
}

/** The text field of a command's arguments. */
function field(input: unknown, name: string): string | undefined {
  const value = typeof input === "object" && input !== null ? (input as Record<string, unknown>)[name] : undefined;
  if (value === undefined || typeof value === "string") return value;
  throw new CommandRefused(`${name} must be text`);
}

function channelOf(input: unknown): string {
  const channel = field(input, "channel");
  if (channel === undefined) throw new CommandRefused("which channel?");
  return channel;
}

function done(refusal: string | undefined): object {
  if (refusal !== undefined) throw new CommandRefused(refusal);
  return { done: true };
}

const commandsOf = (service: SettopService): Commands => ({
  tune: (input) => done(service.tune(channelOf(input))),
  zap: (input) => done(service.zap(channelOf(input), field(input, "from"))),
  stop: (input) => done(service.stopViewing(field(input, "channel"))),
});

async function start(config: SettopConfig, runtime: Runtime): Promise<Service<SettopConfig>> {
  const { log, clock, entropy } = runtime;
  const identity = readOwnIdentity(config);
  const datagrams = new NodeDatagrams();
  const service = await SettopService.start(config, {
    clock,
    entropy,
    datagrams,
    ciphers: nodeCiphers,
    primitives,
    buses: new MqttBuses(mqttOptions(config.broker, identity.password), clock, entropy),
    journal: new FileJournal(config.journal),
    keys: identity.x25519,
    log,
    openOutput: (choice) =>
      openOutput(datagrams, choice, () => {
        log.info("nobody reads standard output any more");
        runtime.finish();
      }),
  });
  const failed = (why: string): void => log.warn({ why }, "systemd cannot be told how we are");
  const notifier = systemdNotifier({ clock, environment: process.env, failed });
  notifier.ready();
  return {
    status: () => service.status(),
    commands: commandsOf(service),
    reload: (changed) => service.reload(changed),
    stop: () => {
      notifier.stopping();
      return service.stop();
    },
  };
}

function keygen(id: string, path: string): void {
  const identity = generateIdentity("settop", id, primitives, systemEntropy);
  createIdentity(path, identity);
  process.stdout.write(`${JSON.stringify(publicIdentity(identity), undefined, 2)}\n`);
}

async function tell(frame: Frame<SettopConfig>, name: string, input: object): Promise<void> {
  if ((await frame.command(name, input)) !== undefined) return;
  process.stderr.write("sealcast-settop is not running\n");
  process.exitCode = EXIT.unavailable;
}

const target: Target<SettopConfig> = {
  name: "settop",
  summary: "Receives encrypted multicast, asks for its keys, and hands clear packets to a player",
  config: settopConfig,
  start,
  outputIsStdout: (config) => config.channels.some((channel) => outputOf(config, channel).form === "stdout"),
  showStatus: statusText,
  extend(program, frame) {
    program
      .command("tune")
      .argument("<channel>")
      .description("receive one more channel")
      .action((channel: string) => tell(frame, "tune", { channel }));
    program
      .command("zap")
      .argument("<channel>")
      .option("--from <channel>", "stop only this one (default: everything)")
      .description("stop what is being received and receive this channel instead")
      .action((channel: string, options: { from?: string }) => tell(frame, "zap", { channel, ...options }));
    program
      .command("stop")
      .argument("[channel]")
      .description("stop this channel, or everything")
      .action((channel: string | undefined) => tell(frame, "stop", channel === undefined ? {} : { channel }));
    program
      .command("keygen")
      .argument("<id>")
      .argument("<file>")
      .description("make this device's keys; prints the public part, for `control`")
      .action(keygen);
  },
};

void runTarget(target);
