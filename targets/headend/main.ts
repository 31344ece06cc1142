// sealcast-headend: takes clear streams in, sends encrypted multicast, changes keys (claims 1, 3 and 7).
import { MqttBuses } from "../../hal/bus/mqtt.ts";
import { FollowingDatagrams } from "../../hal/datagram/following.ts";
import { openLinks } from "../../hal/links/open.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { addKeygen } from "../shared/keygen.ts";
import { openMediaDrivers } from "../shared/media-drivers.ts";
import { ownAddresses } from "../shared/own-addresses.ts";
import { mqttOptions, readOwnIdentity } from "../shared/participant.ts";
import { type Runtime, runTarget, type Service, type Target } from "../shared/target.ts";
import { type HeadendConfig, headendConfig, interfacesOf } from "./config.ts";
import { HeadendService } from "./service.ts";
import { statusText } from "./status-text.ts";

const primitives = new NodePrimitives();

async function start(config: HeadendConfig, runtime: Runtime): Promise<Service<HeadendConfig>> {
  const { clock, entropy, log } = runtime;
  const media = await openMediaDrivers(config);
  const identity = readOwnIdentity("headend", config.id, config.identity, primitives);
  const addresses = ownAddresses(interfacesOf(config), await openLinks(), log);
  const service = await HeadendService.start(config, {
    clock,
    entropy,
    log,
    primitives,
    datagrams: new FollowingDatagrams(media.datagrams, addresses, { joinAway: "wait", clock, entropy }),
    ciphers: media.ciphers,
    buses: new MqttBuses(mqttOptions(config.broker, identity.password), clock, entropy),
    keys: identity.x25519,
    stdin: process.stdin,
    finished: () => {
      log.info("every input has ended");
      runtime.finish();
    },
  });
  return {
    status: () => ({ ...service.status(), drivers: media.choices }),
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
