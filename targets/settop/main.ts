// sealcast-settop: joins, asks for keys, decrypts, hands on, and says when it stops (claims 8 and 9).
import { HalError } from "../../core/ports/errors.ts";
import type { IgmpSockets } from "../../core/ports/igmp-socket.ts";
import { MqttBuses } from "../../hal/bus/mqtt.ts";
import { FollowingDatagrams } from "../../hal/datagram/following.ts";
import { PacketIgmpSockets } from "../../hal/igmp/packet.ts";
import { RawIgmpSockets } from "../../hal/igmp/raw.ts";
import { FileJournal } from "../../hal/journal/file.ts";
import { openLinks } from "../../hal/links/open.ts";
import { openOutput } from "../../hal/output/open.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { CommandRefused, type Commands } from "../shared/admin.ts";
import { EXIT } from "../shared/exit.ts";
import { addKeygen } from "../shared/keygen.ts";
import { openMediaDrivers } from "../shared/media-drivers.ts";
import { ownAddresses } from "../shared/own-addresses.ts";
import { mqttOptions, readOwnIdentity } from "../shared/participant.ts";
import { type Frame, type Runtime, runTarget, type Service, type Target } from "../shared/target.ts";
import { interfacesOf, outputOf, type SettopConfig, settopConfig } from "./config.ts";
import { RefreshedDatagrams } from "./membership-refresh.ts";
import { systemdNotifier } from "./notify.ts";
import { SettopService } from "./service.ts";
import { statusText } from "./status-text.ts";

const primitives = new NodePrimitives();

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

/** Our addon's where it loads: they join nothing, and know of no other interface. */
async function openIgmp(): Promise<IgmpSockets> {
  try {
    return await PacketIgmpSockets.load();
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    return await RawIgmpSockets.load();
  }
}

async function start(config: SettopConfig, runtime: Runtime): Promise<Service<SettopConfig>> {
  const { log, clock, entropy } = runtime;
  const media = await openMediaDrivers(config);
  const identity = readOwnIdentity("settop", config.id, config.identity, primitives);
  const failed = (why: string): void => log.warn({ why }, "systemd cannot be told how we are");
  const notifier = systemdNotifier({ clock, environment: process.env, failed });
  const links = await openLinks();
  const addresses = ownAddresses(interfacesOf(config), links, log, (waiting) => notifier.status(waiting ?? "running"));
  const following = new FollowingDatagrams(media.datagrams, addresses, { joinAway: "fail", clock, entropy });
  const refreshing = { clock, entropy, links, log, igmp: openIgmp };
  const datagrams = new RefreshedDatagrams(following, config.refresh, refreshing);
  const service = await SettopService.start(config, {
    clock,
    entropy,
    datagrams,
    ciphers: media.ciphers,
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
  notifier.ready();
  return {
    status: () => ({ ...service.status(), refresh: datagrams.status(), drivers: media.choices }),
    waiting: () => addresses.waiting,
    commands: commandsOf(service),
    reload: (changed) => addresses.followFor(interfacesOf(changed), () => service.reload(changed)),
    stop: () => {
      notifier.stopping();
      addresses.close();
      return service.stop();
    },
  };
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
    addKeygen(program, "settop", primitives, "make this device's keys; prints the public part, for `control`");
  },
};

void runTarget(target);
