// sealcast-keyserver: keeps channel keys, answers key requests, tells of changes (claims 4 and 7).
import type { HeadendRight, KeyServerPeers } from "../../core/keys/events.ts";
import { MqttBuses } from "../../hal/bus/mqtt.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { GroupCommit } from "../../hal/store/group-commit.ts";
import { openStore, warnOfNew } from "../operator/context.ts";
import { CommandRefused } from "../shared/admin.ts";
import { EXIT } from "../shared/exit.ts";
import { addKeygen } from "../shared/keygen.ts";
import { mqttOptions, readOwnIdentity } from "../shared/participant.ts";
import { type Runtime, runTarget, type Service, type Target } from "../shared/target.ts";
import { type KeyServerConfig, keyServerConfig } from "./config.ts";
import { KeyServerService } from "./service.ts";

const primitives = new NodePrimitives();

/** A new list of headends counts from the next message on. */
class ConfiguredPeers implements KeyServerPeers {
  readonly reception;
  #headends: ReadonlyMap<string, HeadendRight> = new Map();

  constructor(config: KeyServerConfig) {
    this.reception = { role: "reception", ...config.reception } as const;
    this.configure(config);
  }

  configure({ headends }: KeyServerConfig): void {
    this.#headends = new Map(
      headends.map(({ id, publicKey, channels }) => [
        id,
        { publicKey, ...(channels === undefined ? {} : { channels }) },
      ]),
    );
  }

  headend(id: string): HeadendRight | undefined {
    return this.#headends.get(id);
  }
}

async function start(config: KeyServerConfig, runtime: Runtime): Promise<Service<KeyServerConfig>> {
  const { clock, entropy, log } = runtime;
  const identity = readOwnIdentity("keyserver", config.id, config.identity, primitives);
  const store = openStore(config.store, warnOfNew(log, config.store));
  const peers = new ConfiguredPeers(config);
  const buses = new MqttBuses(mqttOptions(config.broker, identity.password), clock, entropy);
  const platform = {
    clock,
    entropy,
    primitives,
    buses,
    store,
    commits: new GroupCommit(store),
    log,
    shards: config.shards,
  };
  const service = await KeyServerService.start(identity, peers, platform);
  return {
    status: () => service.status(),
    commands: {
      rekey(input) {
        const channel = (input as { channel?: unknown } | null)?.channel;
        if (typeof channel !== "string") throw new CommandRefused("channel: must be a channel's id");
        service.rekey(channel);
        return { demanded: channel };
      },
    },
    reload: (next) => peers.configure(next),
    async stop() {
      await service.stop();
      await store.close();
    },
  };
}

const target: Target<KeyServerConfig> = {
  name: "keyserver",
  summary: "Keeps channel keys, answers key requests, and tells of key changes",
  config: keyServerConfig,
  start,
  extend(program, frame) {
    addKeygen(program, "keyserver", primitives, "make this server's keys; prints the public part");
    program
      .command("rekey")
      .argument("<channel>")
      .description("change the key of a channel now")
      .option("--json", "as JSON")
      .action(async (channel: string, { json }: { readonly json?: boolean }) => {
        const done = await frame.command("rekey", { channel });
        if (done === undefined) {
          process.stderr.write("the key server is not running\n");
          process.exitCode = EXIT.unavailable;
          return;
        }
        const sentence = `the key of ${channel} is being changed`;
        process.stdout.write(`${json === true ? JSON.stringify(done.answer) : sentence}\n`);
      });
  },
};

void runTarget(target);
