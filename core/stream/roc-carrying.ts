// The roll-over counter in the packets themselves (RFC 4771), for receivers that nobody else tells it: every R-th packet carries it in its
// authentication tag. With AES-CM in mode 2: every packet has its tag, and in every R-th the counter takes the place of four octets of it.
// With an AEAD in mode 3, the only one that RFC 7714 section 8 leaves: the counter stands behind everything else. It is part of the IV, so a
// wrong one fails there.

/** Octets of the counter in a packet. */
export const ROC_OCTETS = 4;

/** Every how many packets carry it: 1 to 65535, 0 for none. */
export type RocEvery = number;

/** 2: "SEQ mod R = 0". `sequence` is a uint16. */
export const carriesRoc = (every: RocEvery, sequence: number): boolean => every > 0 && sequence % every === 0;
