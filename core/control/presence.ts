// What a participant says of itself on its status topic: retained, unsigned, for whoever may look; no secret in it.
//   up | stopped | lost, then a line for each alarm that is raised
import { printableShort } from "../base/printable.ts";

/** "lost" is the last will: the broker says it. `alarms` are words for a person, "news: input-silent". */
export interface Presence {
  readonly state: "up" | "stopped" | "lost";
  readonly alarms: readonly string[];
}

const STATES = ["up", "stopped", "lost"] as const;
/** Beyond, a line says how many more there are. */
const MOST_ALARMS = 64;
const LONGEST_ALARM = 160;
/** Octets. */
const LONGEST = (MOST_ALARMS + 2) * 4 * LONGEST_ALARM;

/** The payload. */
export function writePresence({ state, alarms }: Presence): Uint8Array {
  const more = alarms.length - MOST_ALARMS;
  const shown = alarms.slice(0, MOST_ALARMS).map((alarm) => printableShort(alarm, LONGEST_ALARM));
  return ascii([state, ...shown, ...(more > 0 ? [`and ${more} more`] : [])].join("\n"));
}

/** undefined for what nobody says who writes as we do; what is more than we write is cut. */
export function readPresence(payload: Uint8Array): Presence | undefined {
  if (payload.length > LONGEST) return undefined;
  const [word, ...lines] = String.fromCharCode(...payload).split("\n");
  const state = STATES.find((one) => one === word);
  if (state === undefined) return undefined;
  return { state, alarms: lines.slice(0, MOST_ALARMS + 1).map((line) => printableShort(line, LONGEST_ALARM)) };
}

/** What is not ASCII is a question mark: our own words are. */
const ascii = (text: string): Uint8Array =>
  Uint8Array.from(text, (character) => (character < "\u0080" ? character.charCodeAt(0) : 0x3f));
