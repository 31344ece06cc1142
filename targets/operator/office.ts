// Opens the store and serves the operator's commands on it, with or without a running server.
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { Store } from "../../core/ports/store.ts";
import { GroupCommit } from "../../hal/store/group-commit.ts";
import { openSqlite } from "../../hal/store/sqlite.ts";
import type { StoreConfig } from "../reception/config.ts";
import type { ReceptionService } from "../reception/service.ts";
import type { Commands } from "../shared/admin.ts";
import { operatorCommands } from "./commands.ts";
import type { Directory } from "./directory.ts";

export const openStore = ({ path, sizeLimit }: StoreConfig): Store =>
  openSqlite({ path, ...(sizeLimit === undefined ? {} : { sizeLimit }) });

export interface Premises {
  readonly store: Store;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly keyServers: readonly string[];
  readonly reserved: readonly string[];
}

/** The commands of a running server. */
export const runningCommands = (premises: Premises, directory: Directory, service: ReceptionService): Commands =>
  operatorCommands({
    ...premises,
    keyServers: () => premises.keyServers,
    servicesChanged: () => directory.refresh(),
    demandsChanged: () => service.demand(),
    refusals: () => service.refusals,
  });

/** The commands on a store that nobody serves; demands are sent when a server starts. */
export async function offline(
  config: StoreConfig,
  rest: Omit<Premises, "store" | "commits">,
  work: (commands: Commands) => Promise<unknown>,
): Promise<unknown> {
  const store = openStore(config);
  try {
    const nothing = async (): Promise<void> => {};
    return await work(
      operatorCommands({
        ...rest,
        store,
        commits: new GroupCommit(store),
        keyServers: () => rest.keyServers,
        servicesChanged: nothing,
        demandsChanged: nothing,
        refusals: () => [],
      }),
    );
  } finally {
    await store.close();
  }
}
