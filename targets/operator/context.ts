// Opens the store and serves the operator's commands on it, with or without a running server.
import { existsSync } from "node:fs";
import type { Store } from "../../core/ports/store.ts";
import { GroupCommit } from "../../hal/store/group-commit.ts";
import { openSqlite } from "../../hal/store/sqlite.ts";
import type { StoreConfig } from "../reception/config.ts";
import type { ReceptionService } from "../reception/service.ts";
import type { Logger } from "../shared/log.ts";
import { type OperatorCommands, type OperatorContext, operatorCommands } from "./commands.ts";
import type { Directory } from "./directory.ts";

/** For a server that starts, and for `init`: makes the store where there is none, and then calls `made`. */
export function openStore(config: StoreConfig, made: () => void): Store {
  const isNew = !existsSync(config.path);
  const store = open(config, true);
  if (isNew) made();
  return store;
}

/** A store that is new at a server's start may be a wrong path. */
export const warnOfNew =
  (log: Logger, { path }: StoreConfig) =>
  (): void =>
    log.warn({ path }, "there was no store at this path: a new one is made, with nothing in it");

const open = ({ path, sizeLimit }: StoreConfig, create: boolean): Store =>
  openSqlite({ path, create, ...(sizeLimit === undefined ? {} : { sizeLimit }) });

/** What does not depend on whether a server runs. */
export type OperatorBase = Pick<OperatorContext, "store" | "commits" | "clock" | "entropy" | "keyServers" | "reserved">;

/** The commands of a running server. */
export const runningCommands = (
  base: OperatorBase,
  directory: Directory,
  service: ReceptionService,
): OperatorCommands =>
  operatorCommands({
    ...base,
    servicesChanged: () => directory.refresh(),
    demandsChanged: () => service.demand(),
    policiesChanged: () => service.tellPolicies(),
    refusals: () => service.refusals,
  });

/**
 * The commands on a store that nobody serves; demands are sent when a server starts. Rejects with HalError "store.missing" where there
 * is no store: only `init` and a server make one.
 */
export async function offline<T>(
  config: StoreConfig,
  rest: Omit<OperatorBase, "store" | "commits">,
  work: (commands: OperatorCommands) => Promise<T>,
): Promise<T> {
  const store = open(config, false);
  try {
    const nothing = async (): Promise<void> => {};
    return await work(
      operatorCommands({
        ...rest,
        store,
        commits: new GroupCommit(store),
        servicesChanged: nothing,
        demandsChanged: nothing,
        policiesChanged: nothing,
        refusals: () => undefined,
      }),
    );
  } finally {
    await store.close();
  }
}
