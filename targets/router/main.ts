// sealcast-router: IGMP end point, multicast routing and evidence of one router (patent 12, 22, 32, 42).
import "../../hal/young-generation.ts";
import { HalError } from "../../core/ports/errors.ts";
import { BridgeSettings } from "../../hal/bridge/settings.ts";
import { NftEnforcement } from "../../hal/enforcement/nft.ts";
import { FileEvidenceLog, PERMITS, POLICY } from "../../hal/evidence/file.ts";
import { forgetStart, leanMemory } from "../../hal/lean-memory.ts";
import { BridgeQueriers } from "../../hal/links/bridge-querier.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { removeLeftFilter } from "../../hal/report-filter/nft.ts";
import { runTapHelper, TAP_ARGUMENT } from "../../hal/tap/helper.ts";
import { explain } from "../shared/exit.ts";
import { addKeygen } from "../shared/keygen.ts";
import { mqttOptions, readOwnIdentity } from "../shared/participant.ts";
import { type Runtime, runTarget, type Service, type Target } from "../shared/target.ts";
import { addRouterCommands, screenWidth, whyQuestion } from "./command-line.ts";
import { foundBridgesFile, proxied, type RouterConfig, routerConfig } from "./config.ts";
import { openDrivers } from "./drivers.ts";
import { FAREWELL_ARGUMENT, runFarewell } from "./farewell.ts";
import { MembershipReports } from "./membership-reports.ts";
import { listenForCollectors, type MetricsListener } from "./metrics-listener.ts";
import { rehearse } from "./rehearsal.ts";
import { RouterService } from "./service.ts";
import { statusText } from "./status-text.ts";
import { STOP } from "./stop.ts";

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

/** Also where nothing is enforced: it may be from the next reload, or word of control, on. */
function openPermitLog({ id, enforce, reception }: RouterConfig): FileEvidenceLog | undefined {
  const file = enforce?.file ?? `/var/lib/sealcast/router-${id}.permits`;
  return reception === undefined || file === "" ? undefined : new FileEvidenceLog(file, PERMITS);
}

/** Also where control is not heard: it may be from the next reload on. */
function openPolicyLog({ id, policy, reception }: RouterConfig): FileEvidenceLog | undefined {
  const file = policy.file ?? `/var/lib/sealcast/router-${id}.policy`;
  return reception === undefined || file === "" ? undefined : new FileEvidenceLog(file, POLICY);
}

function openBridgeSettings(config: RouterConfig, { log }: Runtime): BridgeSettings {
  const file = foundBridgesFile(config);
  return new BridgeSettings({ ...(file === undefined ? {} : { file }), failed: (why) => log.warn({}, why) });
}

/** Nobody's stream is to end because nobody can count it: what cannot be opened is told, and the router goes on. */
async function openMetrics(
  { metrics }: RouterConfig,
  { log }: Runtime,
  service: RouterService,
): Promise<MetricsListener | undefined> {
  if (metrics === undefined) return undefined;
  try {
    const listener = await listenForCollectors(metrics, () => service.metrics());
    log.info({ address: metrics.address, port: listener.port }, "collectors may fetch /metrics");
    return listener;
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    log.error({ code: error.code }, explain(error));
    return undefined;
  }
}

async function start(config: RouterConfig, runtime: Runtime): Promise<Service<RouterConfig>> {
  await leanMemory();
  const { clock, entropy, log } = runtime;
  const bridgeSettings = openBridgeSettings(config, runtime);
  const { choices, ...drivers } = await openDrivers(config, runtime, bridgeSettings);
  const service = new RouterService(config, {
    clock,
    entropy,
    log,
    ...drivers,
    later: setImmediate,
    drivers: choices,
    membershipReports: await openMembershipReports(config, runtime),
    permitLog: openPermitLog(config),
    policyLog: openPolicyLog(config),
    enforcement: new NftEnforcement(),
    bridgeQueriers: new BridgeQueriers(bridgeSettings),
    fatal: (error) => runtime.fatal(error),
  });
  const metrics = await openMetrics(config, runtime, service);
  await forgetStart();
  if (proxied(config).length === 0) void removeLeftFilter();
  // The interfaces are open and the first query is out: what comes now is heard meanwhile.
  await rehearse(config, runtime, setImmediate);
  await leanMemory();
  return {
    status: () => service.status(),
    commands: {
      ...service.commands,
      [STOP]: () => {
        runtime.finish();
        return { process: process.pid };
      },
    },
    waiting: () => service.waiting(),
    reload: (changed) => service.reload(changed),
    handOver() {
      metrics?.close();
      return service.handOver();
    },
    async stop() {
      metrics?.close();
      await service.stop();
      // Of bridges that only a predecessor kept, too.
      bridgeSettings.restoreAll();
    },
  };
}

const target: Target<RouterConfig> = {
  name: "router",
  summary: "IGMP querier and proxy, multicast routing, and evidence of who receives",
  config: routerConfig,
  start,
  showStatus: (status) => statusText(status, screenWidth()),
  question: whyQuestion,
  extend(program, frame) {
    addKeygen(program, "router", primitives, "make this router's keys; prints the public part, for `control`");
    addRouterCommands(program, frame);
  },
};

const [, , first, device] = process.argv;
if (first === TAP_ARGUMENT && device !== undefined) void runTapHelper(device);
else if (first === FAREWELL_ARGUMENT) void runFarewell();
else void runTarget(target);
