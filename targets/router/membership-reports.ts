// What one router saw of its hosts, on its way to the reception server over the broker.

import { Counters } from "../../core/base/counters.ts";
import { ipv4 } from "../../core/base/ipv4.ts";
import type { MembershipChange } from "../../core/control/messages.ts";
import type { Peer } from "../../core/control/participant.ts";
import type { LeaveCause } from "../../core/igmp/host-table.ts";
import { RouterClient, type RouterClientEffect, type RouterClientEvent } from "../../core/router/client.ts";
import { PermitInquiry } from "../../core/router/permit-inquiry.ts";
import type { Permit } from "../../core/router/policy/permits.ts";
import { MembershipReporter } from "../../core/router/reporter.ts";
import { brokerStatus } from "../shared/broker-words.ts";
import { type BusEvent, type ClientPlatform, MachineOnBus } from "../shared/machine-on-bus.ts";

/** Reports until `close`; while the broker is away changes wait, bounded. */
export class MembershipReports {
  readonly #reporter: MembershipReporter;
  readonly #onBus: MachineOnBus<RouterClientEvent, RouterClientEffect>;
  readonly #drops = new Counters<string>();
  #told: (permits: readonly Permit[]) => void = () => {};

  constructor(id: string, server: Peer, platform: ClientPlatform) {
    this.#reporter = new MembershipReporter(server, platform.entropy);
    const participant = { role: "router", id, keys: platform.keys, peers: [server] } as const;
    const client = new RouterClient(this.#reporter, new PermitInquiry(server, platform.entropy));
    this.#onBus = new MachineOnBus(participant, platform, client, heard, (effect) => this.#apply(effect));
  }

  add(change: MembershipChange): void {
    this.#onBus.feed({ kind: "change", change });
  }

  /** Asks what the cards may receive until it is known; `told` hears each word of control from now on. */
  inquire(macs: readonly string[], told: (permits: readonly Permit[]) => void): void {
    this.#told = told;
    this.#onBus.feed({ kind: "inquire", macs });
  }

  status(): object {
    const { bus } = this.#onBus;
    return {
      connected: bus.connected,
      ...brokerStatus(bus),
      waiting: this.#reporter.waiting,
      drops: { ...bus.drops.snapshot(), ...this.#drops.snapshot() },
    };
  }

  /** The last changes go out; nobody waits for their acknowledgement. */
  async close(): Promise<void> {
    this.#onBus.feed({ kind: "flush" });
    await this.#onBus.stop();
  }

  #apply(effect: RouterClientEffect): void {
    switch (effect.kind) {
      case "send":
        this.#onBus.bus.say(effect);
        return;
      case "permits":
        this.#told(effect.permits.map(({ mac, groups }) => ({ mac, groups: groups.map(ipv4) })));
        return;
      case "drop":
        this.#drops.count(effect.reason);
        return;
      default:
        effect satisfies never;
    }
  }
}

/** What waits goes on waiting while the broker is away. */
function heard(event: BusEvent): RouterClientEvent | undefined {
  switch (event.kind) {
    case "message":
      return { kind: "answer", from: event.received.from, message: event.received.message };
    case "broker":
      return event.up ? { kind: "up" } : undefined;
    // For set-tops.
    case "notice":
      return undefined;
    default:
      return event satisfies never;
  }
}

/** The word for a reception server: an interface that went down tells nothing of the host, its membership just ends. */
export const changeWord = (cause: LeaveCause): MembershipChange["change"] => (cause === "left" ? "left" : "expired");
