// Key server and reception server side by side on one store and one bus (claim 6). Which store and which bus is for the caller to say.
import type { Store } from "../../core/ports/store.ts";
import { RECEPTION_OPTIONS } from "../../core/reception/server.ts";
import { type Identity, peerOf } from "../../hal/identity/identity.ts";
import { GroupCommit } from "../../hal/store/group-commit.ts";
import { KeyServerService } from "../keyserver/service.ts";
import type { OperatorCommands } from "../operator/commands.ts";
import { runningCommands } from "../operator/context.ts";
import type { Directory } from "../operator/directory.ts";
import { ReceptionService } from "../reception/service.ts";
import type { Platform } from "../shared/machine-on-bus.ts";
import type { ControlConfig } from "./config.ts";

/** What both servers share, and whom the operator has registered. */
interface ServersPlatform extends Platform {
  readonly store: Store;
  readonly directory: Directory;
}

/** Both, running. */
export interface Servers {
  readonly keys: KeyServerService;
  readonly reception: ReceptionService;
  /** The operator's. */
  readonly commands: OperatorCommands;
  /** Both say goodbye on the bus; the store stays open. */
  stop(): Promise<void>;
}

/** Rejects with HalError when the store cannot be read. */
export async function startServers(
  config: ControlConfig,
  keyIdentity: Identity,
  receptionIdentity: Identity,
  { directory, ...given }: ServersPlatform,
): Promise<Servers> {
  const commits = new GroupCommit(given.store);
  const platform = { ...given, commits, shards: config.shards };
  const reception = new ReceptionService(
    receptionIdentity,
    [peerOf(keyIdentity)],
    {
      keyServer: (id) => (id === keyIdentity.id ? keyIdentity.x25519.publicKey : undefined),
      router: (id) => directory.key(id, "router"),
    },
    { ...RECEPTION_OPTIONS, grace: config.grace, evidenceFor: config.evidenceFor },
    platform,
  );
  const peers = { reception: peerOf(receptionIdentity), headend: (id: string) => directory.headend(id) };
  const keys = await KeyServerService.start(keyIdentity, peers, platform);
  await reception.demand();
  await reception.tellPolicies();
  const { store, clock, entropy } = given;
  const base = { store, commits, clock, entropy, ...names(config) };
  return {
    keys,
    reception,
    commands: runningCommands(base, directory, reception),
    async stop() {
      await Promise.all([keys.stop(), reception.stop()]);
    },
  };
}

/** What participants call the two servers. */
export const names = ({ keyServer, reception }: ControlConfig) => ({
  keyServers: [keyServer.id],
  reserved: [keyServer.id, reception.id],
});
