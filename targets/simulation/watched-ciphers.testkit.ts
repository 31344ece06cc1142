// Which packet keys exist where: the headend's by use, the set-tops' by possession.
import { readUint32, toHex } from "../../core/base/bytes.ts";
import type { Instant } from "../../core/base/time.ts";
import type { Ciphers } from "../../core/ports/cipher.ts";
import type { Clock } from "../../core/ports/clock.ts";
import { nodeCiphers } from "../../hal/cipher/node.ts";

export interface KeyUse {
  readonly ssrc: number;
  readonly first: Instant;
  last: Instant;
}

const SSRC = 8;

/** Of the headend: since when, until when and for which stream each key has sealed packets. */
export class KeysInUse {
  readonly uses = new Map<string, KeyUse>();

  ciphers(clock: Clock): Ciphers {
    return {
      ...nodeCiphers,
      gcm: (key) => {
        const name = toHex(key);
        const cipher = nodeCiphers.gcm(key);
        return {
          seal: (iv, packet, aadEnd, textEnd) => {
            this.#used(name, readUint32(packet, SSRC), clock.now());
            cipher.seal(iv, packet, aadEnd, textEnd);
          },
          open: (iv, packet, aadEnd, textEnd) => cipher.open(iv, packet, aadEnd, textEnd),
          erase: () => cipher.erase(),
        };
      },
    };
  }

  #used(name: string, ssrc: number, now: Instant): void {
    const known = this.uses.get(name);
    if (known === undefined) this.uses.set(name, { ssrc, first: now, last: now });
    else known.last = now;
  }
}

/** Of one set-top: when it first had each key. */
export class KeysHeld {
  readonly since = new Map<string, Instant>();

  ciphers(clock: Clock): Ciphers {
    return {
      ...nodeCiphers,
      gcm: (key) => {
        const name = toHex(key);
        if (!this.since.has(name)) this.since.set(name, clock.now());
        return nodeCiphers.gcm(key);
      },
    };
  }
}
