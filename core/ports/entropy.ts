/** Chance. Drivers: system (CSPRNG), seeded (simulation). */
export interface Entropy {
  /** `length` unpredictable octets in a fresh array. */
  bytes(length: number): Uint8Array;
  /** Uniform over [0, limit), a real number; limit > 0. */
  below(limit: number): number;
}
