// What the key server's and the reception server's processes have in common.
import type { Store } from "../../core/ports/store.ts";
import type { GroupCommit } from "../../hal/store/group-commit.ts";
import { brokerStatus } from "./broker-words.ts";
import type { BusConnection, BusEvent, Platform } from "./machine-on-bus.ts";
import type { StoreHealth } from "./store-health.ts";

/** What a server stands on. */
export interface ServerPlatform extends Platform {
  readonly store: Store;
  readonly commits: GroupCommit;
  /** Of request topics, the same number everywhere. */
  readonly shards: number;
}

/** What a server's machine hears of the bus: everything but notices, which it makes. */
export function heardByServer(event: BusEvent): Exclude<BusEvent, { readonly kind: "notice" }> | undefined {
  switch (event.kind) {
    case "message":
    case "broker":
      return event;
    case "notice":
      return undefined;
  }
}

/** `status` of a server: its place on the bus and its store around `own`, what its machine says. */
export const serverStatus = <Own extends object>(bus: BusConnection, health: StoreHealth, own: Own) => ({
  ...brokerStatus(bus),
  store: health.fault ?? "works",
  ...own,
  messages: bus.messages(),
  messageDrops: bus.drops.snapshot(),
});
