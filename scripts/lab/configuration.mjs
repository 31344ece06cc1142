// The configuration of each process of figure 2, as an operator would write it.

/**
 * @typedef {{ id: string, x25519: string, ed25519?: string }} PublicIdentity
 * @typedef {{ id: string, group: string, port: number, source?: string }} Channel
 * @typedef {{ url: string, identity: string, keyServer: PublicIdentity }} Membership where the broker is, our keys, the key server's
 */

/**
 * @param {string} id
 * @param {Membership} membership
 * @param {{ channels: (Channel & { input: object })[], interfaceAddress: string, keys: "headend" | "key-server", interval: number, lead?: number, window?: number }} what seconds
 */
export function headend(id, { url, identity, keyServer }, { channels, interfaceAddress, keys, ...times }) {
  return {
    id,
    identity,
    broker: { url },
    keyServer: { id: keyServer.id, publicKey: keyServer.x25519 },
    interfaceAddress,
    channels: channels.map(({ id, group, port, input }) => ({ id, group, port, input, keys, ...times })),
  };
}

/**
 * @param {string} id
 * @param {Membership} membership
 * @param {{ channels: Channel[], interfaceAddress: string, journal: string, output: object, tune: string[] }} what
 */
export function settop(id, { url, identity, keyServer }, { channels, interfaceAddress, journal, output, tune }) {
  return {
    id,
    identity,
    broker: { url },
    keyServer: { id: keyServer.id, publicKey: keyServer.x25519, noticeKey: keyServer.ed25519 },
    interfaceAddress,
    journal,
    output,
    tune,
    channels: channels.map(({ id, group, port, source }) => ({ id, group, port, ...(source ? { source } : {}) })),
  };
}

/**
 * Without a membership the router works by itself and reports to nobody. Who leaves is asked after, however long it has run: once it knows
 * everybody it would cut the last one off at once.
 * @param {string} id
 * @param {(Membership & { reception: PublicIdentity }) | undefined} membership
 * @param {{ upstream: string, downstream: string[] }} interfaces
 */
export function router(id, membership, { upstream, downstream }) {
  const control = membership && {
    broker: { url: membership.url },
    identity: membership.identity,
    reception: { id: membership.reception.id, publicKey: membership.reception.x25519 },
  };
  return {
    id,
    upstream: { interface: upstream },
    downstreams: downstream.map((name) => ({ interface: name, leave: "standard" })),
    ...control,
  };
}

/** @param {{ listener: { host: string, port: number }, folder: string }} what */
export function control({ listener, folder }) {
  return {
    id: "control",
    broker: { listeners: [listener] },
    keyServer: { id: "key-server", identity: `${folder}-key-server.json` },
    reception: { id: "reception-server", identity: `${folder}-reception-server.json` },
    store: { path: `${folder}.db` },
  };
}

/** @param {{ url: string, folder: string, identity: string, reception: PublicIdentity, headend: PublicIdentity }} what */
export function keyserver({ url, folder, identity, reception, headend }) {
  return {
    id: "key-server",
    identity,
    broker: { url },
    store: { path: `${folder}-keys.db` },
    reception: { id: reception.id, publicKey: reception.x25519 },
    headends: [{ id: headend.id, publicKey: headend.x25519 }],
  };
}

/** @param {{ url: string, folder: string, identity: string, keyServer: PublicIdentity }} what */
export function reception({ url, folder, identity, keyServer }) {
  return {
    id: "reception-server",
    identity,
    broker: { url },
    store: { path: `${folder}-receptions.db` },
    keyServers: [{ id: keyServer.id, publicKey: keyServer.x25519 }],
  };
}
