// Broker, key server and reception server in one process (claim 6). Both servers speak over the broker like everybody else, so that
// every message of the patent crosses MQTT.
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { HalError } from "../../core/ports/errors.ts";
import { Broker } from "../../hal/bus/broker.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { makeFolder } from "../../hal/folder.ts";
import { createIdentity } from "../../hal/identity/file.ts";
import { generateIdentity, type Identity } from "../../hal/identity/identity.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";
import { openStore, warnOfNew } from "../operator/context.ts";
import { Directory } from "../operator/directory.ts";
import { readOwnIdentity, readPem } from "../shared/participant.ts";
import type { Runtime, Service } from "../shared/target.ts";
import { BrokerRefusals, withBrokerRefusals } from "./broker-refusals.ts";
import type { ControlConfig, ListenerConfig, PartConfig } from "./config.ts";
import { startServers } from "./servers.ts";

/** One for the whole process. */
export const primitives = new NodePrimitives();

type PartRole = "keyserver" | "reception";

/** The part's identity; made when there is none yet. Throws HalError. */
function ownIdentity(role: PartRole, part: PartConfig): Identity {
  makeIdentity(role, part);
  return readOwnIdentity(role, part.id, part.identity, primitives);
}

/** For commands, which make none. Throws HalError, "identity.missing" when neither `init` nor a first start has made it. */
export function existingIdentity(role: PartRole, { id, identity }: PartConfig): Identity {
  if (existsSync(identity)) return readOwnIdentity(role, id, identity, primitives);
  throw new HalError("identity.missing", `${identity}, this server's own, does not exist`, {
    needs: "the configuration of the server that is meant",
    alternative: "`sealcast-control init` makes it, and so does the server's first start",
  });
}

/** For `init`: both parts' identities where they are not there, and a sentence for each. */
export const makeIdentities = ({ keyServer, reception }: ControlConfig): readonly string[] => [
  `the identity ${keyServer.identity} is ${makeIdentity("keyserver", keyServer) ? "made" : "there already"}`,
  `the identity ${reception.identity} is ${makeIdentity("reception", reception) ? "made" : "there already"}`,
];

/** False when it is there already. */
function makeIdentity(role: PartRole, { id, identity }: PartConfig): boolean {
  if (existsSync(identity)) return false;
  makeFolderOf(identity);
  createUnlessThere(identity, generateIdentity(role, id, primitives, systemEntropy));
  return true;
}

/** At a first start a command of the operator may make it at the same moment: the first one's holds. */
function createUnlessThere(path: string, identity: Identity): void {
  try {
    createIdentity(path, identity);
  } catch (error) {
    if (!(error instanceof HalError && error.code === "identity.exists")) throw error;
  }
}

function makeFolderOf(identity: string): void {
  try {
    makeFolder(dirname(identity), 0o700);
  } catch (cause) {
    const refused = cause instanceof Error && "code" in cause && (cause.code === "EACCES" || cause.code === "EPERM");
    throw new HalError(refused ? "identity.permission" : "identity.failed", `cannot make the folder of ${identity}`, {
      cause,
      alternative: "configure another `identity` path",
    });
  }
}

/** Opens store, broker and servers. Rejects with HalError. */
export async function startControl(config: ControlConfig, runtime: Runtime): Promise<Service<ControlConfig>> {
  const { clock, entropy, log } = runtime;
  const keyIdentity = ownIdentity("keyserver", config.keyServer);
  const receptionIdentity = ownIdentity("reception", config.reception);
  const store = openStore(config.store, warnOfNew(log, config.store));
  const directory = await Directory.open(store);
  const refusals = new BrokerRefusals(clock, log);
  const broker = await openBroker(config, directory, refusals);
  const platform = { clock, entropy, primitives, buses: broker.local(), store, directory, log };
  const { keys, reception, commands, stop } = await startServers(config, keyIdentity, receptionIdentity, platform);
  /** A connection outlives its right until it is cut. */
  const thenExpel = (name: "service.revoke" | "device.remove") => async (input: unknown) => {
    const answer = await commands[name]?.(input);
    broker.expel((input as { readonly id: string }).id);
    return answer;
  };
  return {
    status: () => ({
      broker: {
        ports: broker.ports,
        clients: broker.clients,
        refused: refusals.status(),
        drops: broker.drops.snapshot(),
      },
      keyServer: keys.status(),
      reception: reception.status(),
    }),
    commands: {
      ...commands,
      "service.revoke": thenExpel("service.revoke"),
      "device.remove": thenExpel("device.remove"),
      denials: (input: unknown) => withBrokerRefusals(commands.denials(input), refusals),
    },
    async stop() {
      await stop();
      await broker.close();
      await store.close();
    },
  };
}

function openBroker({ broker }: ControlConfig, directory: Directory, refusals: BrokerRefusals): Promise<Broker> {
  return Broker.start({
    listeners: broker.listeners.map(listenerOf),
    authenticate: (id, password) => directory.authenticate(id, password),
    refused: (refusal) => refusals.note(refusal),
    limits: { connections: broker.connections },
  });
}

function listenerOf({ host, port, tls }: ListenerConfig) {
  if (tls === undefined) return { host, port };
  const ca = tls.ca === undefined ? {} : { ca: readPem(tls.ca, "broker.tls") };
  return { host, port, tls: { cert: readPem(tls.cert, "broker.tls"), key: readPem(tls.key, "broker.tls"), ...ca } };
}
