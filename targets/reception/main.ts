// sealcast-reception: decides who may receive, keeps receptions and usage records (claim 5).
import type { Peer } from "../../core/control/participant.ts";
import { RECEPTION_OPTIONS } from "../../core/reception/server.ts";
import { MqttBuses } from "../../hal/bus/mqtt.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { GroupCommit } from "../../hal/store/group-commit.ts";
import { openStore, runningCommands, warnOfNew } from "../operator/context.ts";
import { Directory } from "../operator/directory.ts";
import { extendForOperator } from "../operator/target.ts";
import { addKeygen } from "../shared/keygen.ts";
import { mqttOptions, readOwnIdentity } from "../shared/participant.ts";
import { type Runtime, runTarget, type Service, type Target } from "../shared/target.ts";
import { type ReceptionConfig, receptionConfig } from "./config.ts";
import { ReceptionService } from "./service.ts";

const primitives = new NodePrimitives();

async function start(config: ReceptionConfig, runtime: Runtime): Promise<Service<ReceptionConfig>> {
  const { clock, entropy, log } = runtime;
  const identity = readOwnIdentity("reception", config.id, config.identity, primitives);
  const store = openStore(config.store, warnOfNew(log, config.store));
  const commits = new GroupCommit(store);
  const directory = await Directory.open(store);
  const keyServers = config.keyServers.map(({ id, publicKey }): Peer => ({ role: "keyserver", id, publicKey }));
  const buses = new MqttBuses(mqttOptions(config.broker, identity.password), clock, entropy);
  const service = new ReceptionService(
    identity,
    keyServers,
    {
      keyServer: (id) => keyServers.find((peer) => peer.id === id)?.publicKey,
      router: (id) => directory.key(id, "router"),
    },
    { ...RECEPTION_OPTIONS, grace: config.grace, evidenceFor: config.evidenceFor },
    { clock, entropy, primitives, buses, store, commits, log, shards: config.shards },
  );
  await service.demand();
  await service.tellPolicies();
  const base = { store, commits, clock, entropy, ...names(config) };
  return {
    status: () => service.status(),
    commands: runningCommands(base, directory, service),
    async stop() {
      await service.stop();
      await store.close();
    },
  };
}

const names = (config: ReceptionConfig) => ({
  keyServers: config.keyServers.map(({ id }) => id),
  reserved: [config.id, ...config.keyServers.map(({ id }) => id)],
});

const target: Target<ReceptionConfig> = {
  name: "reception",
  summary: "Decides who may receive, and keeps receptions and usage records",
  config: receptionConfig,
  start,
  extend(program, frame) {
    addKeygen(program, "reception", primitives, "make this server's keys; prints the public part");
    extendForOperator(program, frame, {
      name: "reception",
      primitives,
      names,
      serverKeys:
        "its configuration names the servers as their keygen printed them; their broker needs its password too",
    });
  },
};

void runTarget(target);
