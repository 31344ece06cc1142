// sealcast-router: IGMP end point, multicast routing and evidence of one router (patent 12, 22, 32, 42).
import { HalError } from "../../core/ports/errors.ts";
import type { FrameTaps } from "../../core/ports/frame-tap.ts";
import { MqttBuses } from "../../hal/bus/mqtt.ts";
import { NftEnforcement } from "../../hal/enforcement/nft.ts";
import { LinuxForwarding } from "../../hal/forwarding/linux.ts";
import { RawIgmpSockets } from "../../hal/igmp/raw.ts";
import { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { linuxLinks } from "../../hal/links/linux.ts";
import { loadCapture } from "../../hal/native.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { CapTaps } from "../../hal/tap/cap.ts";
import { runTapHelper, TAP_ARGUMENT } from "../../hal/tap/helper.ts";
import { addKeygen } from "../shared/keygen.ts";
import { mqttOptions, readOwnIdentity } from "../shared/participant.ts";
import { type Runtime, runTarget, type Service, type Target } from "../shared/target.ts";
import { type RouterConfig, routerConfig } from "./config.ts";
import { MembershipReports } from "./membership-reports.ts";
import { RouterService } from "./service.ts";

const primitives = new NodePrimitives();

function openMembershipReports(
  { id, broker, identity, reception }: RouterConfig,
  runtime: Runtime,
): MembershipReports | undefined {
  if (broker === undefined || identity === undefined || reception === undefined) return undefined;
  const { clock, entropy, log } = runtime;
  const own = readOwnIdentity("router", id, identity, primitives);
  const buses = new MqttBuses(mqttOptions(broker, own.password), clock, entropy);
  return new MembershipReports(
    id,
    { role: "reception", ...reception },
    { clock, entropy, primitives, buses, keys: own.x25519, log },
  );
}

/** Without taps the router still routes and tracks, only not by bridge port. */
async function openTaps({ taps }: RouterConfig, { clock, entropy, log }: Runtime): Promise<FrameTaps | undefined> {
  if (!taps) return undefined;
  try {
    await loadCapture("tap");
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    log.warn({ code: error.code, needs: error.needs }, `${error.message}; ${error.alternative}`);
    return undefined;
  }
  return new CapTaps({ clock, entropy, command: [process.execPath, process.argv[1] ?? ""] });
}

async function start(config: RouterConfig, runtime: Runtime): Promise<Service<RouterConfig>> {
  const { clock, entropy, log } = runtime;
  const service = new RouterService(config, {
    clock,
    entropy,
    log,
    links: linuxLinks,
    igmp: await RawIgmpSockets.load(),
    forwarding: config.forwarding === "kernel" ? await LinuxForwarding.load() : undefined,
    taps: await openTaps(config, runtime),
    membershipReports: openMembershipReports(config, runtime),
    enforcement: config.enforce?.ports === true ? new NftEnforcement() : undefined,
    bridgeQueriers: new BridgeQueriers(),
    fatal: (error) => runtime.fatal(error),
  });
  return {
    status: () => service.status(),
    waiting: () => service.waiting(),
    reload: (changed) => service.reload(changed),
    stop: () => service.stop(),
  };
}

const target: Target<RouterConfig> = {
  name: "router",
  summary: "IGMP querier and proxy, multicast routing, and evidence of who receives",
  config: routerConfig,
  start,
  extend(program) {
    addKeygen(program, "router", primitives, "make this router's keys; prints the public part, for `control`");
  },
};

const [, , first, device] = process.argv;
if (first === TAP_ARGUMENT && device !== undefined) void runTapHelper(device);
else void runTarget(target);
