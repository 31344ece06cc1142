// Requests of devices (73, 92, 83): each waits for the reception server's answer to an inquiry or a stop report.
import { toHex } from "../base/bytes.ts";
import { after, type Instant, seconds, unixTime } from "../base/time.ts";
import type { Request } from "../control/link.ts";
import type { Message, MessageOf } from "../control/messages.ts";
import type { Peer } from "../control/participant.ts";
import {
  type Matched,
  newRequestId,
  type RequestExpired,
  Requester,
  type RequesterEffect,
} from "../control/requester.ts";
import type { Calendar } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import { BegunReceptions } from "./begun-receptions.ts";
import type { Channels } from "./channels.ts";
import { DeviceAnswers } from "./device-answers.ts";
import type { KeyServerEffect, KeyServerPeers } from "./events.ts";
import { holdsFor, liveOf } from "./kept-channel.ts";
import type { Tally } from "./tally.ts";
import { WaitingDevices } from "./waiting.ts";

/** A reception server that has not answered by then is told to the device as "busy". */
const INQUIRY_PATIENCE = seconds(3);
const STOP_PATIENCE = seconds(10);

type Effects = readonly KeyServerEffect[];

export interface DevicePowers {
  readonly peers: KeyServerPeers;
  readonly calendar: Calendar;
  readonly entropy: Entropy;
  readonly channels: Channels;
  readonly tally: Tally;
}

export class DeviceRequests {
  readonly #powers: DevicePowers;
  /** Key requests, and stops, that may wait at once. */
  readonly #limit: number;
  readonly #answers: DeviceAnswers;
  readonly #requester: Requester;
  readonly #starts = new WaitingDevices();
  readonly #stops = new WaitingDevices();
  readonly #begun = new BegunReceptions();

  constructor(powers: DevicePowers, limit: number) {
    const { tally, calendar, entropy } = powers;
    this.#powers = powers;
    this.#limit = limit;
    this.#answers = new DeviceAnswers(tally, calendar, entropy);
    this.#requester = new Requester(entropy, { outstanding: 2 * limit, slowest: seconds(2) });
  }

  get waiting(): number {
    return this.#starts.size + this.#stops.size;
  }

  receive(now: Instant, request: Request): Effects {
    switch (request.message.type) {
      case "key.request":
        return this.#keyRequest(now, request, request.message);
      case "stop":
        return this.#stop(now, request, request.message);
      default:
        return this.#powers.tally.drop("keys.message-unexpected");
    }
  }

  /** 75, 94, 85: from the reception server. */
  answered(now: Instant, from: Peer, message: Message): Effects {
    const matched = this.#requester.receive(now, from, message);
    if (typeof matched === "string") return this.#powers.tally.drop("keys.answer-unknown");
    const [way, name] = split(matched.key);
    if (way === "start") return this.#decided(now, name, matched);
    return this.#stops.take(name).map((request) => this.#answers.stopAcknowledged(request));
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
  #keyRequest(now: Instant, request: Request, message: MessageOf<"key.request">): Effects {
    const name = nameOf(request.from, message);
    if (this.#stops.has(name)) return [this.#answers.denied(request, "reception.ended")];
    if (this.#starts.join(name, request)) return [];
    if (this.#starts.size >= this.#limit) return [this.#answers.busy(request, "load")];
    if (!this.#begins(now, request, message)) return [this.#answers.busy(request, "load")];
    const inquiry = this.#inquiry(now, request.from, message);
    if (inquiry === undefined) return [this.#answers.busy(request, "no-epoch")];
    this.#starts.add(name, request);
    return this.#ask(now, inquiry, `start ${name}`, after(now, INQUIRY_PATIENCE));
  }

  /** 74, 93: about the newest epoch that the device would get; undefined while there is none. */
  #inquiry(now: Instant, from: Peer, message: MessageOf<"key.request">): Message | undefined {
    const { calendar, channels, entropy } = this.#powers;
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
      holdsFor: holdsFor(keys.kept.row, newest, unixTime(Math.round(calendar.unix(now)))),
    };
  }

  // 83. A request of the same reception that still waits is over too: its inquiry must not come after the stop report.
  #stop(now: Instant, request: Request, message: MessageOf<"stop">): Effects {
    const { tally, entropy } = this.#powers;
    const name = nameOf(request.from, message);
    if (this.#stops.join(name, request)) return [];
    // Not answered now: the device repeats a stop until it is acknowledged.
    if (this.#stops.size >= this.#limit) return tally.drop("keys.stop-unanswered");
    if (!this.#begins(now, request, message)) return tally.drop("keys.device-too-fast");
    const ended = this.#starts.take(name);
    this.#requester.cancel(`start ${name}`);
    this.#stops.add(name, request);
    const report = stopReport(newRequestId(entropy), request.from, message);
    const denials = ended.map((waiting) => this.#answers.denied(waiting, "reception.ended"));
    return [...denials, ...this.#ask(now, report, `stop ${name}`, after(now, STOP_PATIENCE))];
  }

  #begins(now: Instant, { from }: Request, { reception }: { readonly reception: Uint8Array }): boolean {
    return this.#begun.admit(now, from.id, toHex(reception));
  }

  #decided(now: Instant, name: string, { request: inquiry, answer }: Matched): Effects {
    const requests = this.#starts.take(name);
    if (answer.type === "refusal") return requests.map((request) => this.#answers.denied(request, answer.reason));
    const { channel, epoch } = inquiry as MessageOf<"inquiry">;
    const keys = this.#powers.channels.get(channel);
    return requests.map((request) => this.#answers.granted(now, request, keys, epoch));
  }

  #ask(now: Instant, message: Message, key: string, deadline: Instant): Effects {
    return this.#asked(this.#requester.ask(now, { to: this.#powers.peers.reception, message, key, deadline }));
  }

  #asked(effects: readonly RequesterEffect[]): Effects {
    return effects.flatMap((effect): Effects => (effect.kind === "send" ? [effect] : this.#unanswered(effect)));
  }

  #unanswered({ key, reason }: RequestExpired): Effects {
    const [way, name] = split(key);
    if (way === "stop") {
      this.#stops.take(name);
      return this.#powers.tally.drop("keys.stop-unanswered");
    }
    const why = reason === "full" ? "load" : "reception-server";
    return this.#starts.take(name).map((request) => this.#answers.busy(request, why));
  }
}

/** One reception of one device: its copies and repetitions are one request. */
const nameOf = (from: Peer, { channel, reception }: { channel: string; reception: Uint8Array }): string =>
  `${from.id} ${toHex(from.publicKey)} ${channel} ${toHex(reception)}`;

function split(key: string | undefined): [way: string, name: string] {
  const at = key?.indexOf(" ") ?? -1;
  return key === undefined ? ["", ""] : [key.slice(0, at), key.slice(at + 1)];
}

// 84.
const stopReport = (
  id: Uint8Array,
  from: Peer,
  { channel, reception, cause, endedAgo }: MessageOf<"stop">,
): Message => ({
  type: "stop.report",
  id,
  device: from.id,
  deviceKey: from.publicKey,
  channel,
  reception,
  cause,
  ...(endedAgo === undefined ? {} : { endedAgo }),
});
