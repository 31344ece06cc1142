// sealcast-router: IGMP end point, multicast routing and evidence of one router (patent 12, 22, 32, 42).
import { FileEvidenceLog } from "../../hal/evidence/file.ts";
import { leanMemory } from "../../hal/lean-memory.ts";
import { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { runTapHelper, TAP_ARGUMENT } from "../../hal/tap/helper.ts";
import { addKeygen } from "../shared/keygen.ts";
import { mqttOptions, readOwnIdentity } from "../shared/participant.ts";
import { type Runtime, runTarget, type Service, type Target } from "../shared/target.ts";
import { type RouterConfig, routerConfig } from "./config.ts";
import { openDrivers } from "./drivers.ts";
import { MembershipReports } from "./membership-reports.ts";
import { rehearse } from "./rehearsal.ts";
import { RouterService } from "./service.ts";

const primitives = new NodePrimitives();

async function openMembershipReports(
  { id, broker, identity, reception, evidence }: RouterConfig,
  runtime: Runtime,
): Promise<MembershipReports | undefined> {
  if (broker === undefined || identity === undefined || reception === undefined) return undefined;
  const { clock, entropy, log } = runtime;
  // Megabytes that a router on its own does not need.
  const { MqttBuses } = await import("../../hal/bus/mqtt.ts");
  const own = readOwnIdentity("router", id, identity, primitives);
  const buses = new MqttBuses(mqttOptions(broker, own.password), clock, entropy);
  const file = evidence.file ?? `/var/lib/sealcast/router-${id}.evidence`;
  return new MembershipReports(
    id,
    { role: "reception", ...reception },
    { clock, entropy, primitives, buses, keys: own.x25519, log },
    { limit: evidence.limit, evidenceLog: file === "" ? undefined : new FileEvidenceLog(file) },
  );
}

async function start(config: RouterConfig, runtime: Runtime): Promise<Service<RouterConfig>> {
  await leanMemory();
  const { clock, entropy, log } = runtime;
  const { choices, ...drivers } = await openDrivers(config, runtime);
  const service = new RouterService(config, {
    clock,
    entropy,
    log,
    ...drivers,
    later: setImmediate,
    drivers: choices,
    membershipReports: await openMembershipReports(config, runtime),
    bridgeQueriers: new BridgeQueriers(),
    fatal: (error) => runtime.fatal(error),
  });
  // The interfaces are open and the first query is out: what comes now is heard meanwhile.
  await rehearse(config, runtime, setImmediate);
  await leanMemory();
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
