// What one router saw of its hosts, on its way to the reception server over the broker; and what that server says of cards and rules.

import { Counters } from "../../core/base/counters.ts";
import { ipv4 } from "../../core/base/ipv4.ts";
import { wholeUnixTime } from "../../core/base/time.ts";
import type { Received } from "../../core/control/mailbox.ts";
import type { MembershipChange, PolicyState } from "../../core/control/messages.ts";
import type { Peer } from "../../core/control/participant.ts";
import type { LeaveCause } from "../../core/igmp/host-table.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";
import { RouterClient, type RouterClientEffect, type RouterClientEvent } from "../../core/router/client.ts";
import { PermitInquiry } from "../../core/router/permit-inquiry.ts";
import type { Permit } from "../../core/router/policy/permits.ts";
import { PolicyInquiry } from "../../core/router/policy-inquiry.ts";
import type { RefusedJoin } from "../../core/router/refused-joins.ts";
import { MembershipReporter, type ReporterEffect } from "../../core/router/reporter.ts";
import { brokerStatus } from "../shared/broker-words.ts";
import { explain } from "../shared/exit.ts";
import type { Logger } from "../shared/log.ts";
import { type BusEvent, type ClientPlatform, MachineOnBus } from "../shared/machine-on-bus.ts";
import type { ControlStatus } from "./status.ts";

/** How the evidence is kept until it is acknowledged. */
export interface EvidenceKeeping {
  /** Changes and counts; beyond, the oldest become numbers. */
  readonly limit: number;
  /** undefined: in memory only. */
  readonly evidenceLog: EvidenceLog | undefined;
}

/** Reports until `close`; while the broker or the server is away changes wait, bounded, and on the disk where there is a log. */
export class MembershipReports {
  readonly #reporter: MembershipReporter;
  readonly #onBus: MachineOnBus<RouterClientEvent, RouterClientEffect>;
  readonly #drops = new Counters<string>();
  #told: (permits: readonly Permit[]) => void = () => {};
  #heardPolicy: (revision: number, text: string) => void = () => {};
  readonly #log: Logger;
  readonly #evidenceLog: EvidenceLog | undefined;
  /** Why the evidence is not on the disk. */
  #fault: HalError | undefined;
  #writing: Promise<void> | undefined;

  constructor(id: string, server: Peer, platform: ClientPlatform, { limit, evidenceLog }: EvidenceKeeping) {
    this.#log = platform.log;
    this.#evidenceLog = evidenceLog;
    const found = evidenceLog?.load();
    if (found?.fault !== undefined) this.#complain(found.fault);
    const { clock, entropy } = platform;
    const started = wholeUnixTime(clock.unix(clock.now()));
    const options = { limit, started, ...(found === undefined ? {} : { restored: found }) };
    this.#reporter = new MembershipReporter(server, entropy, options);
    const participant = { role: "router", id, keys: platform.keys, peers: [server] } as const;
    const [permits, policy] = [new PermitInquiry(server, entropy), new PolicyInquiry(server, entropy)];
    const client = new RouterClient(this.#reporter, permits, policy);
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

  /** Tells which policy is in force and asks for a newer one; `heard` has each from now on, and its state is then to be told again. */
  policy(state: PolicyState, heard: (revision: number, text: string) => void): void {
    this.#heardPolicy = heard;
    this.#onBus.feed({ kind: "policy-state", state });
  }

  refused(refusal: RefusedJoin): void {
    this.#onBus.feed({ kind: "refused", refusal });
  }

  status(): ControlStatus {
    const { bus } = this.#onBus;
    return {
      connected: bus.connected,
      ...brokerStatus(bus),
      waiting: this.#reporter.waiting,
      evidence: this.#evidenceLog === undefined ? "in memory" : (this.#fault?.code ?? "on disk"),
      drops: { ...bus.drops.snapshot(), ...this.#drops.snapshot() },
    };
  }

  /** The last changes go to the disk and out; nobody waits for their acknowledgement. */
  async close(): Promise<void> {
    this.#onBus.feed({ kind: "flush" });
    while (this.#writing !== undefined) await this.#writing;
    await this.#onBus.stop();
  }

  #apply(effect: RouterClientEffect): void {
    switch (effect.kind) {
      case "send":
      case "answer":
        this.#onBus.bus.say(effect);
        return;
      case "policy":
        this.#heardPolicy(effect.revision, effect.text);
        return;
      case "permits":
        this.#told(effect.permits.map(({ mac, groups }) => ({ mac, groups: groups.map(ipv4) })));
        return;
      case "write":
        this.#writing = this.#write(effect);
        return;
      case "drop":
        this.#drops.count(effect.reason, effect.reason === "report.queue-full" ? effect.times : 1);
        return;
      default:
        effect satisfies never;
    }
  }

  async #write({ how, lines }: ReporterEffect & { kind: "write" }): Promise<void> {
    let fault: HalError | undefined;
    try {
      await this.#evidenceLog?.[how](lines);
    } catch (error) {
      if (!(error instanceof HalError)) throw error;
      fault = error;
    }
    this.#writing = undefined;
    if (fault !== undefined) this.#complain(fault);
    else if (this.#fault !== undefined) this.#recovered();
    this.#onBus.feed({ kind: "written", isKept: fault === undefined });
  }

  /** Once, until it is over or another fault. */
  #complain(fault: HalError): void {
    if (fault.code !== this.#fault?.code) this.#log.warn({ code: fault.code, needs: fault.needs }, explain(fault));
    this.#fault = fault;
  }

  #recovered(): void {
    if (this.#fault?.code !== "evidence.damaged") this.#log.info("evidence is kept on the disk again");
    this.#fault = undefined;
  }
}

/** What waits goes on waiting while the broker is away. */
function heard(event: BusEvent): RouterClientEvent | undefined {
  switch (event.kind) {
    case "message":
      return heardMessage(event.received);
    case "broker":
      return event.up ? { kind: "up" } : undefined;
    // For set-tops.
    case "notice":
      return undefined;
    default:
      return event satisfies never;
  }
}

const heardMessage = ({ from, message, request }: Received): RouterClientEvent =>
  request === undefined ? { kind: "answer", from, message } : { kind: "asked", request };

/** The word for a reception server: an interface that went down tells nothing of the host, its membership just ends. */
export const changeWord = (cause: LeaveCause): MembershipChange["change"] => (cause === "left" ? "left" : "expired");
