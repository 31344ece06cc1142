// Who takes part in the control plane.

/** settop = client, router = routing device, headend = content server, keyserver and reception = the two management servers. */
export const ROLES = ["settop", "router", "headend", "keyserver", "reception"] as const;
/** One of `ROLES`. */
export type Role = (typeof ROLES)[number];

/** For a word from outside. */
export const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text);

/** Somebody to talk to: its id is its MQTT client id and user name, its key 32 octets of X25519. */
export interface Peer {
  readonly role: Role;
  readonly id: string;
  readonly publicKey: Uint8Array;
}
