// What the key server's and the reception server's processes have in common: their powers, and their place on the bus.

import { Endpoint, type EndpointOptions } from "../../core/control/endpoint.ts";
import { Link, type LinkOptions, type Received } from "../../core/control/link.ts";
import type { BusConnector } from "../../core/ports/bus.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Entropy } from "../../core/ports/entropy.ts";
import type { Primitives } from "../../core/ports/primitives.ts";
import type { Store } from "../../core/ports/store.ts";
import type { GroupCommit } from "../../hal/store/group-commit.ts";
import { brokerComplaints, brokerStatus } from "./broker-words.ts";
import type { Logger } from "./log.ts";
import type { StoreHealth } from "./store-health.ts";

export interface ServerPowers {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly primitives: Primitives;
  readonly buses: BusConnector;
  readonly store: Store;
  readonly commits: GroupCommit;
  readonly log: Logger;
  readonly shards: number;
}

/** What the bus tells a server's machine. */
export type BusEvent =
  | { readonly kind: "message"; readonly received: Received }
  | { readonly kind: "link"; readonly up: boolean };

/** Connects the server that the log calls `title`; what it hears goes to `feed`. */
export function serverEndpoint(
  title: string,
  participant: Omit<LinkOptions, "shards">,
  { clock, entropy, primitives, buses, log, shards }: ServerPowers,
  feed: (event: BusEvent) => void,
  noticeKey?: EndpointOptions["noticeKey"],
): Endpoint {
  const link = new Link({ ...participant, shards }, primitives, entropy);
  const options = { link, clock, primitives, ...(noticeKey === undefined ? {} : { noticeKey }) };
  const complain = brokerComplaints(clock, log, title);
  return new Endpoint(buses, options, {
    message: (received) => feed({ kind: "message", received }),
    notice: () => {},
    up: () => {
      log.info(`${title}: broker connected`);
      feed({ kind: "link", up: true });
    },
    down: (error) => {
      complain(error);
      feed({ kind: "link", up: false });
    },
    dropped: (drop, detail, topic) => log.debug({ drop, detail, topic }, "message dropped"),
  });
}

/** `status` of a server: its place on the bus and its store around `own`, what its machine says. */
export const serverStatus = <Own extends object>(endpoint: Endpoint, health: StoreHealth, own: Own) => ({
  ...brokerStatus(endpoint),
  store: health.fault ?? "works",
  ...own,
  messages: { sent: endpoint.sent.snapshot(), received: endpoint.received.snapshot() },
  messageDrops: endpoint.drops.snapshot(),
});
