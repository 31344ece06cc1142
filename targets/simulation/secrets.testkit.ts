// Every secret of a run, and the ways in which a text may have one.
import { toHex } from "../../core/base/bytes.ts";
import { CHANNEL_NAMES, type ChannelName } from "./configuration.testkit.ts";
import type { World } from "./world.testkit.ts";

/** Octets that nobody else may see, and whose they are. */
export interface Secret {
  readonly name: string;
  readonly octets: Uint8Array;
}

/** Passwords are known from the start, keys are collected while the run makes them. */
export class Secrets {
  readonly #world: World;
  readonly #found = new Map<string, Secret>();
  readonly #epochs = new Map<ChannelName, Set<number>>();

  constructor(world: World) {
    this.#world = world;
    for (const { id, password } of world.identities)
      this.#add(`the password of ${id}`, new TextEncoder().encode(password));
  }

  /** To be called every second: an epoch stays on the key server's disk for longer, but not for ever. */
  collect(): void {
    const { control, headend, settops, host } = this.#world;
    for (const { channel, epoch, masterKey, masterSalt } of control.rows("epoch")) {
      this.#epochsOf(channel as ChannelName).add(epoch);
      this.#add(`the master key of ${channel}, epoch ${epoch}`, masterKey);
      this.#add(`the master salt of ${channel}, epoch ${epoch}`, masterSalt);
    }
    for (const { id, passwordHash } of [...control.rows("device"), ...control.rows("service")])
      this.#add(`the password's hash of ${id}`, passwordHash);
    for (const privateKey of host.primitives.privateKeys.splice(0)) this.#add("a private key", privateKey);
    const packetKeys = [headend.keys.uses, ...Object.values(settops).map(({ keys }) => keys.since)];
    for (const key of packetKeys.flatMap((keys) => [...keys.keys()]))
      this.#add("a packet key", Buffer.from(key, "hex"));
  }

  get all(): readonly Secret[] {
    return [...this.#found.values()];
  }

  /** How many epochs of each channel were collected, and the newest: the same where none was missed. */
  epochs(): readonly { readonly count: number; readonly newest: number }[] {
    return CHANNEL_NAMES.map((channel) => {
      const epochs = this.#epochsOf(channel);
      return { count: epochs.size, newest: Math.max(...epochs) };
    });
  }

  /** Names of those that `text` has. */
  in(text: string): readonly string[] {
    const folded = text.toLowerCase();
    return this.all.filter((secret) => isIn(secret, text, folded)).map(({ name }) => name);
  }

  #add(name: string, octets: Uint8Array): void {
    const key = toHex(octets);
    if (!this.#found.has(key)) this.#found.set(key, { name, octets: octets.slice() });
  }

  #epochsOf(channel: ChannelName): Set<number> {
    const known = this.#epochs.get(channel) ?? new Set();
    this.#epochs.set(channel, known);
    return known;
  }
}

const isIn = ({ octets }: Secret, text: string, folded: string): boolean =>
  folded.includes(toHex(octets)) ||
  [...inBase64(octets), ...asJson(octets), Buffer.from(octets).toString("latin1")].some((form) => text.includes(form));

/** As it stands within a longer base64, whatever number of octets came before; without what its neighbours have a part in. */
const inBase64 = (octets: Uint8Array): readonly string[] =>
  [0, 1, 2].flatMap((before) =>
    (["base64", "base64url"] as const).map((encoding) => {
      const [first, end] = [Math.ceil((before * 8) / 6), Math.floor(((before + octets.length) * 8) / 6)];
      return Buffer.concat([new Uint8Array(before), octets])
        .toString(encoding)
        .slice(first, end);
    }),
  );

/** What JSON makes of a Buffer's data and of a Uint8Array, without the brackets. */
const asJson = (octets: Uint8Array): readonly string[] => [
  [...octets].join(),
  JSON.stringify(octets.slice()).slice(1, -1),
];
