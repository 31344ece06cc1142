// What the operators of the simulated system wrote into their configurations.
import * as v from "valibot";

/** A changes its keys at the headend (claim 3), B at the key server (claim 7). Ports: where the headend takes in the clear stream. */
export const CHANNELS = [
  { id: "one", group: "239.255.77.1", port: 5004, intake: 6001, keys: "headend" },
  { id: "two", group: "239.255.77.2", port: 5004, intake: 6002, keys: "key-server" },
] as const;
export type ChannelName = (typeof CHANNELS)[number]["id"];
export const CHANNEL_NAMES = CHANNELS.map(({ id }) => id);

/** Seconds. */
export const KEY_INTERVAL = 10;

/** Short times, so that a membership whose leave was lost does not outlast a run. */
export const IGMP = { queryInterval: 10, queryResponseInterval: 2, lastMemberQueryInterval: 1 };

/** As `check-config`: throws with every fault, a mistake of ours. */
export const parse = <Config>(schema: v.GenericSchema<unknown, Config>, written: object): Config =>
  v.parse(schema, written);

export const BROKER = { url: "mqtt://simulated" };
