// Requests of devices (73, 92, 83): each waits for the reception server's answer to an inquiry (74, 93) or a stop
// report (84).
import { toHex } from "../base/bytes.ts";
import { after, type Instant, seconds, type UnixTime, wholeUnixTime } from "../base/time.ts";
import type { Request } from "../control/mailbox.ts";
import type { Denial, Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import { newRequestId, type RequestExpired, Requester, type RequesterEffect } from "../control/requester.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { Channels } from "./channels.ts";
import type { KeyServerCounts } from "./counts.ts";
import { type BusyReason, busy, denial, grant, stopAcknowledgement } from "./device-answers.ts";
import { holdsFor, liveOf } from "./epochs.ts";
import type { KeyServerEffect, KeyServerPeers } from "./events.ts";
import { BegunReceptions, isRequestOf, type RequestOf, WaitingDevices } from "./waiting-devices.ts";

/** A reception server that has not answered by then is told to the device as "busy". */
const INQUIRY_PATIENCE = seconds(3);
const STOP_PATIENCE = seconds(10);

type Effects = readonly KeyServerEffect[];
type Inquiry = MessageOf<"inquiry">;
type StopReport = MessageOf<"stop.report">;

/** What requests of devices may use of the server and of the world. */
export interface DeviceSurroundings {
  readonly peers: KeyServerPeers;
  readonly calendar: Calendar;
  readonly entropy: Entropy;
  readonly channels: Channels;
  readonly counts: KeyServerCounts;
}

/** A reception has a key request that waits, or a stop, never both: the stop ends the request. */
export class DeviceRequests {
  readonly #surroundings: DeviceSurroundings;
  readonly #limit: number;
  readonly #requester: Requester;
  readonly #starts = new WaitingDevices<"key.request">();
  readonly #stops = new WaitingDevices<"stop">();
  readonly #begun = new BegunReceptions();

  /** `limit`: receptions whose key requests, and as many whose stops, may wait at once. */
  constructor(surroundings: DeviceSurroundings, limit: number) {
    this.#surroundings = surroundings;
    this.#limit = limit;
    this.#requester = new Requester(surroundings.entropy, { outstanding: 2 * limit, slowest: seconds(2) });
  }

  /** Receptions that wait for the reception server's answer. */
  get waiting(): number {
    return this.#starts.size + this.#stops.size;
  }

  /** From a device. */
  receive(now: Instant, request: Request): Effects {
    if (isRequestOf(request, "key.request")) return this.#keyRequest(now, request);
    if (isRequestOf(request, "stop")) return this.#stop(now, request);
    return this.#surroundings.counts.drop("keys.message-unexpected");
  }

  /** 75, 94, 85: from the reception server. */
  answered(now: Instant, from: Peer, message: Message): Effects {
    const matched = this.#requester.receive(now, from, message);
    if (typeof matched === "string") return this.#surroundings.counts.drop("keys.answer-unknown");
    const asked = ownQuestion(matched.request);
    switch (asked.type) {
      case "inquiry":
        return this.#decided(now, asked, matched.answer);
      case "stop.report":
        return this.#stops.take(nameOfQuestion(asked)).map((request) => this.#acknowledged(request));
    }
  }

  /** The broker is back. */
  hurry(now: Instant): void {
    this.#requester.hurry(now);
  }

  poll(now: Instant): Effects {
    return this.#asked(this.#requester.poll(now));
  }

  nextDeadline(): Instant | undefined {
    return this.#requester.nextDeadline();
  }

  // 73 and 92.
  #keyRequest(now: Instant, request: RequestOf<"key.request">): Effects {
    const name = nameOf(request);
    if (this.#stops.has(name)) return [this.#denied(request, "reception.ended")];
    if (this.#starts.join(name, request)) return [];
    if (this.#starts.size >= this.#limit || !this.#begins(now, request)) return [this.#busy(request, "load")];
    const inquiry = this.#inquiry(now, request);
    if (inquiry === undefined) return [this.#busy(request, "no-epoch")];
    this.#starts.add(name, request);
    const to = this.#surroundings.peers.reception;
    const deadline = after(now, INQUIRY_PATIENCE);
    return this.#asked(this.#requester.ask(now, { to, message: inquiry, key: name, deadline }));
  }

  /** 74, 93: about the newest epoch that the device would get; undefined while there is none. */
  #inquiry(now: Instant, { from, message }: RequestOf<"key.request">): Inquiry | undefined {
    const { channels, entropy } = this.#surroundings;
    const { channel, reception, reason } = message;
    const keys = channels.get(channel);
    const newest = keys?.kept && liveOf(keys.kept, keys.current(now)).at(-1);
    if (keys?.kept === undefined || newest === undefined) return undefined;
    return {
      type: "inquiry",
      id: newRequestId(entropy),
      device: from.id,
      deviceKey: from.publicKey,
      channel,
      reception,
      reason,
      epoch: newest.epoch,
      holdsFor: holdsFor(keys.kept.row, newest, this.#unix(now)),
    };
  }

  // 83. A request of the same reception that still waits is over too: its inquiry must not come after the stop report.
  #stop(now: Instant, request: RequestOf<"stop">): Effects {
    const { counts, entropy, peers } = this.#surroundings;
    const name = nameOf(request);
    if (this.#stops.join(name, request)) return [];
    // Not answered now: the device repeats a stop until it is acknowledged.
    if (this.#stops.size >= this.#limit) return counts.drop("keys.stop-unanswered");
    if (!this.#begins(now, request)) return counts.drop("keys.device-too-fast");
    const ended = this.#starts.take(name);
    this.#requester.cancel(name);
    this.#stops.add(name, request);
    const message = stopReport(newRequestId(entropy), request);
    const denials = ended.map((waiting) => this.#denied(waiting, "reception.ended"));
    const deadline = after(now, STOP_PATIENCE);
    return [...denials, ...this.#asked(this.#requester.ask(now, { to: peers.reception, message, deadline }))];
  }

  #begins(now: Instant, { from, message }: RequestOf<"key.request" | "stop">): boolean {
    return this.#begun.admit(now, from.id, toHex(message.reception));
  }

  #decided(now: Instant, inquiry: Inquiry, answer: Message): Effects {
    const requests = this.#starts.take(nameOfQuestion(inquiry));
    if (answer.type === "refusal") return requests.map((request) => this.#denied(request, answer.reason));
    return requests.map((request) => this.#granted(now, request, inquiry));
  }

  #granted(now: Instant, request: RequestOf<"key.request">, { channel, epoch }: Inquiry): KeyServerEffect {
    const { channels, counts } = this.#surroundings;
    const keys = channels.get(channel);
    const granted = keys && grant(now, this.#unix(now), request.message, keys, epoch);
    return granted === undefined ? this.#busy(request, "no-epoch") : counts.answer(request, granted);
  }

  #denied(request: RequestOf<"key.request">, reason: Denial): KeyServerEffect {
    return this.#surroundings.counts.answer(request, denial(request.message, reason), reason);
  }

  #busy(request: RequestOf<"key.request">, reason: BusyReason): KeyServerEffect {
    const { counts, entropy } = this.#surroundings;
    return counts.answer(request, busy(request.message, reason, entropy), reason);
  }

  #acknowledged(request: RequestOf<"stop">): KeyServerEffect {
    return this.#surroundings.counts.answer(request, stopAcknowledgement(request.message));
  }

  #asked(effects: readonly RequesterEffect[]): Effects {
    return effects.flatMap((effect): Effects => (effect.kind === "send" ? [effect] : this.#unanswered(effect)));
  }

  #unanswered({ message, reason }: RequestExpired): Effects {
    const asked = ownQuestion(message);
    const name = nameOfQuestion(asked);
    switch (asked.type) {
      case "inquiry":
        return this.#starts
          .take(name)
          .map((request) => this.#busy(request, reason === "full" ? "load" : "reception-server"));
      case "stop.report":
        this.#stops.take(name);
        return this.#surroundings.counts.drop("keys.stop-unanswered");
    }
  }

  #unix(at: Instant): UnixTime {
    return wholeUnixTime(this.#surroundings.calendar.unix(at));
  }
}

/** One reception of one device: its copies and repetitions are one request. */
const receptionName = (device: string, deviceKey: Uint8Array, channel: string, reception: Uint8Array): string =>
  `${device} ${toHex(deviceKey)} ${channel} ${toHex(reception)}`;

const nameOf = ({ from, message }: RequestOf<"key.request" | "stop">): string =>
  receptionName(from.id, from.publicKey, message.channel, message.reception);

const nameOfQuestion = ({ device, deviceKey, channel, reception }: Inquiry | StopReport): string =>
  receptionName(device, deviceKey, channel, reception);

/** The requester gives back what it was given. */
function ownQuestion(message: Message): Inquiry | StopReport {
  if (message.type === "inquiry" || message.type === "stop.report") return message;
  throw new RangeError(`the reception server was never asked by ${message.type}`);
}

// 84.
const stopReport = (id: Uint8Array, { from, message }: RequestOf<"stop">): StopReport => {
  const { channel, reception, cause, endedAgo } = message;
  const ended = endedAgo === undefined ? {} : { endedAgo };
  return { type: "stop.report", id, device: from.id, deviceKey: from.publicKey, channel, reception, cause, ...ended };
};
