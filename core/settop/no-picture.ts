// Why there is no picture, in one word and in words: every dark screen has a reason that `status` can name.
import type { BrokerStanding } from "../control/broker-standing.ts";
import type { PlayoutStatus } from "./playout.ts";
import type { ViewingStatus } from "./status.ts";

/** One word for each; the README has what to look at. */
export type NoPicture =
  | "not-joined"
  | "no-packets"
  | "no-key"
  | "not-entitled"
  | "bad-tags"
  | "not-authenticated"
  | "broker-away"
  | "broker-refused"
  | "server-busy"
  | "no-answer"
  | "output-failed";

/** The reason of a dark screen. */
export interface Dark {
  readonly reason: NoPicture;
  /** For a person: what is wrong and where to look. */
  readonly text: string;
}

/** A stream that pauses for less than this (ms) is not dark. */
const PATIENCE = 2000;

const dark = (reason: NoPicture, text: string): Dark => ({ reason, text });

/** undefined while clear packets reach the output. */
export function whyNoPicture(broker: BrokerStanding, viewing: ViewingStatus, stream: PlayoutStatus): Dark | undefined {
  if (stream.darkFor !== undefined && stream.darkFor < PATIENCE)
    return stream.output.fault === undefined ? undefined : dark("output-failed", stream.output.fault);
  const { verdict } = viewing;
  if (verdict.kind === "denied") return dark("not-entitled", `${verdict.reason}: ${verdict.text}`);
  if (verdict.kind === "unmanaged") return notJoined(viewing) ?? silent({ kind: "connected" }, stream);
  return notJoined(viewing) ?? (verdict.kind === "granted" ? silent(broker, stream) : keyless(broker, viewing));
}

function notJoined({ membership }: ViewingStatus): Dark | undefined {
  switch (membership.kind) {
    case "joined":
      return undefined;
    case "joining":
      return dark("not-joined", "the group is being joined");
    case "failed":
      return dark("not-joined", membership.why);
    case "left":
      return dark("not-joined", "the group has been left");
  }
}

/** Without a broker no key can be asked for; undefined when it is there. */
function brokerless(broker: BrokerStanding): Dark | undefined {
  switch (broker.kind) {
    case "connected":
      return undefined;
    case "refused":
      return dark("broker-refused", broker.why);
    case "away": {
      const why = broker.why === undefined ? "" : `: ${broker.why}`;
      return dark("broker-away", `the broker cannot be reached, so no key can be asked for${why}`);
    }
  }
}

function keyless(broker: BrokerStanding, viewing: ViewingStatus): Dark {
  return brokerless(broker) ?? unanswered(viewing);
}

function unanswered({ verdict, attempts }: ViewingStatus): Dark {
  if (verdict.kind === "busy") return dark("server-busy", `the key server says: ${verdict.reason}`);
  if (attempts > 1) return dark("no-answer", `the key server has not answered ${attempts} requests`);
  return dark("no-key", "the key has been asked for");
}

function silent(broker: BrokerStanding, stream: PlayoutStatus): Dark {
  if (stream.silentFor === undefined || stream.silentFor >= PATIENCE)
    return dark(
      "no-packets",
      "joined, but nothing arrives: does the headend send, is there a querier, does the router forward?",
    );
  return unopened(broker, stream);
}

/** Packets arrive and none opens. */
function unopened(broker: BrokerStanding, { lastDrop }: PlayoutStatus): Dark {
  switch (lastDrop) {
    case "srtp.bad-tag":
    case "srtp.too-old":
    case "srtp.replayed":
    case "srtp.unconfirmed":
      return dark("bad-tags", `packets arrive, but do not fit the keys and the position in hand (${lastDrop})`);
    case "manifest.uncovered":
      return dark("not-authenticated", "packets arrive, but the headend has signed none of them (manifest.uncovered)");
    case "srtp.unknown-mki":
    case "srtp.no-position":
    case undefined:
      return brokerless(broker) ?? dark("no-key", "packets arrive, but for an epoch whose key is not here yet");
    default:
      return dark("no-packets", `what arrives is not this channel's stream (${lastDrop})`);
  }
}
