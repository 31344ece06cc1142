// sealcast-headend: takes clear streams in, sends encrypted multicast, changes keys (claims 1, 3 and 7).
import { MqttBuses } from "../../hal/bus/mqtt.ts";
import { nobleCiphers } from "../../hal/cipher/noble.ts";
import { nodeCiphers } from "../../hal/cipher/node.ts";
import { FollowingDatagrams } from "../../hal/datagram/following.ts";
import { KernelQueues } from "../../hal/datagram/kernel-queues.ts";
import { NodeDatagrams } from "../../hal/datagram/node.ts";
import { linuxLinks } from "../../hal/links/linux.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { addKeygen } from "../shared/keygen.ts";
import { ownAddresses } from "../shared/own-addresses.ts";
import { mqttOptions, readOwnIdentity } from "../shared/participant.ts";
import { type Runtime, runTarget, type Service, type Target } from "../shared/target.ts";
import { addressesOf, type HeadendConfig, headendConfig } from "./config.ts";
import { HeadendService } from "./service.ts";
import { statusText } from "./status-text.ts";

const primitives = new NodePrimitives();

async function start(config: HeadendConfig, runtime: Runtime): Promise<Service<HeadendConfig>> {
  const { clock, entropy, log } = runtime;
  const identity = readOwnIdentity("headend", config.id, config.identity, primitives);
  const addresses = ownAddresses(addressesOf(config), linuxLinks, log);
  const service = await HeadendService.start(config, {
    clock,
    entropy,
    log,
    primitives,
    queues: new KernelQueues(),
    datagrams: new FollowingDatagrams(new NodeDatagrams(), addresses, { joinAway: "wait", clock, entropy }),
    ciphers: config.cipher === "node" ? nodeCiphers : nobleCiphers,
    buses: new MqttBuses(mqttOptions(config.broker, identity.password), clock, entropy),
    keys: identity.x25519,
    stdin: process.stdin,
    finished: () => {
      log.info("every input has ended");
      runtime.finish();
    },
  });
  return {
    status: () => service.status(),
    waiting: () => addresses.waiting,
    stop() {
      addresses.close();
      return service.stop();
    },
  };
}

const target: Target<HeadendConfig> = {
  name: "headend",
  summary: "Takes clear streams in, sends them as encrypted multicast, and changes their keys",
  config: headendConfig,
  start,
  showStatus: statusText,
  extend(program) {
    addKeygen(program, "headend", primitives, "make this headend's keys; prints the public part, for `control`");
  },
};

void runTarget(target);
