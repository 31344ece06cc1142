// The MQTT 3.1.1 broker inside `control`: aedes, told who may do what, with a limit on everything a client can grow.
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import {
  Aedes,
  type AuthenticateError,
  type Client,
  type ConnectPacket,
  type PublishPacket,
  type Subscription,
} from "aedes";
import { Counters } from "../../core/base/counters.ts";
import { type Access, accessOf, mayPublish, mayRetain, maySubscribe } from "../../core/control/access.ts";
import { ENVELOPE_LIMIT } from "../../core/control/envelope.ts";
import { isIdentifier } from "../../core/control/messages.ts";
import { NOTICE_LIMIT } from "../../core/control/notice.ts";
import type { Role } from "../../core/control/participant.ts";
import type { ClientRefusal } from "../../core/control/refused-clients.ts";
import type { BusConnector } from "../../core/ports/bus.ts";
import { HalError } from "../../core/ports/errors.ts";
import { LocalBuses } from "./local.ts";
import { PacketGuard } from "./packet-guard.ts";

/** One address and port to listen on. */
export interface BrokerListenerOptions {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** PEM. With `ca`, clients must show a certificate of it. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
}

/** What clients can make the broker hold. */
export interface BrokerLimits {
  readonly connections: number;
  /** Octets of one MQTT packet after its fixed header. */
  readonly packet: number;
  /** Octets that may wait for a slow client; beyond, its messages are dropped, and beyond 16 times as much it is cut off. */
  readonly backlog: number;
  /** Milliseconds in which a new connection must say who it is. */
  readonly connectTimeout: number;
  /** Subscriptions of one client: each stays in memory. */
  readonly filters: number;
}

/** The topic, of at most 200 octets, and the lengths come on top of the envelope. */
export const BROKER_LIMITS: BrokerLimits = {
  connections: 10_000,
  packet: ENVELOPE_LIMIT + 256,
  backlog: 256 * 1024,
  connectTimeout: 10_000,
  filters: 64,
};

/** The client's role, or why it has none; undefined: nobody knows the id. The client hears the same in all three cases. */
export type Authentication = Role | "wrong-password" | "revoked" | undefined;

/** Where it listens, whom it lets in, and who hears of those it does not. */
export interface BrokerOptions {
  readonly listeners: readonly BrokerListenerOptions[];
  /** Who has this name and password. A rejection with HalError refuses it for now. */
  authenticate(id: string, password: Uint8Array): Authentication | Promise<Authentication>;
  /** A client was turned away; all text is the client's own. */
  refused?(refusal: ClientRefusal): void;
  readonly limits?: Partial<BrokerLimits>;
}

/**
 * full: too many connections. oversized: a packet beyond the limit. tls: no handshake. no-mqtt: other octets than a CONNECT. version:
 * another MQTT than 3.1 and 3.1.1. client-id: not an identifier, or not the user name. credentials: refused. unavailable: the
 * credentials could not be looked up. publish, subscribe: not in the client's table (a $share filter never is), or a filter too many,
 * or too much to be retained. slow: a message for a client that does not read.
 */
export type BrokerDrop =
  | "broker.full"
  | "broker.oversized"
  | "broker.tls"
  | "broker.no-mqtt"
  | "broker.version"
  | "broker.client-id"
  | "broker.credentials"
  | "broker.unavailable"
  | "broker.publish"
  | "broker.subscribe"
  | "broker.slow";

/** Times the backlog: what was let through before the first drop was noticed is on top, at most a hundred messages. */
const CUT_OFF = 16;

// MQTT 3.1.1 table 3.1
const IDENTIFIER_REJECTED = 2;
const SERVER_UNAVAILABLE = 3;
const BAD_CREDENTIALS = 4;

/** Protocol levels that aedes speaks: MQTT 3.1 and 3.1.1 (section 3.1.2.2). It answers others with CONNACK 1. */
const isSpoken = (level: number): boolean => level === 3 || level === 4;

interface Rights {
  readonly access: Access;
  /** What the client is subscribed to. */
  readonly filters: Set<string>;
}

/** Listens from `start` to `close`. */
export class Broker {
  readonly drops = new Counters<BrokerDrop>();
  readonly #options: BrokerOptions;
  readonly #limits: BrokerLimits;
  readonly #aedes: Aedes;
  readonly #rights = new WeakMap<Client, Rights>();
  readonly #clients = new Map<string, Client>();
  /** Of the other end: a socket that has been closed no longer knows. */
  readonly #addresses = new WeakMap<Client, string>();
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(options: BrokerOptions) {
    this.#options = options;
    this.#limits = { ...BROKER_LIMITS, ...options.limits };
    this.#aedes = new Aedes({
      connectTimeout: this.#limits.connectTimeout,
      maxInflightInbound: 16,
      maxTopicLevels: 8,
      preConnect: (client, packet, done) => {
        this.#checkVersion(client, packet);
        // No sessions outlive their connection: nothing is queued for the absent.
        packet.clean = true;
        done(null, true);
      },
      authenticate: (client, user, password, done) => void this.#authenticate(client, user, password, done),
      authorizePublish: (client, packet, done) => done(this.#authorizePublish(client, packet)),
      authorizeSubscribe: (client, subscription, done) => done(null, this.#authorizeSubscribe(client, subscription)),
      authorizeForward: (client, packet) => (this.#isSlow(client) ? null : packet),
    });
    this.#aedes.on("client", (client) => this.#clients.set(client.id, client));
    this.#aedes.on("clientDisconnect", (client) => {
      if (this.#clients.get(client.id) === client) this.#clients.delete(client.id);
    });
    this.#aedes.on("connectionError", (client, error) => this.#stammered(client, error));
    this.#aedes.on("unsubscribe", (filters, client) => {
      for (const filter of filters) this.#rights.get(client)?.filters.delete(filter);
    });
  }

  /** Listens on all listeners. Rejects with HalError "broker.in-use", "broker.address", "broker.permission", "broker.tls". */
  static async start(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options);
    await broker.#aedes.listen();
    try {
      for (const listener of options.listeners) await broker.#listen(listener);
    } catch (error) {
      await broker.close();
      throw error;
    }
    return broker;
  }

  /** The ports in the order of the listeners. */
  get ports(): readonly number[] {
    return this.#servers.map((server) => {
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    });
  }

  /** Clients that have been let in, those of this process not counted. */
  get clients(): number {
    return this.#aedes.connectedClients;
  }

  /** Cuts off a client that has lost its right; it may try to come back. */
  expel(id: string): void {
    this.#clients.get(id)?.close();
  }

  /** The bus for parts of this process. */
  local(): BusConnector {
    return new LocalBuses(this.#aedes);
  }

  /** Cuts every connection; wills are not published, for it is the broker that goes. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    await new Promise<void>((resolve) => this.#aedes.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  async #listen(options: BrokerListenerOptions): Promise<void> {
    const server = this.#createServer(options);
    server.on("tlsClientError", (error: Error, socket: Socket) => this.#unshaken(error, socket));
    server.maxConnections = this.#limits.connections;
    server.on("connection", (socket: Socket) => this.#track(socket));
    server.on("drop", () => this.drops.count("broker.full"));
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, options)));
      server.listen(options.port, options.host, resolve);
    });
    server.removeAllListeners("error");
    // Running out of file descriptors while accepting is the kernel's way to say the same.
    server.on("error", () => this.drops.count("broker.full"));
    this.#servers.push(server);
  }

  #createServer({ tls }: BrokerListenerOptions): Server {
    // Without noDelay every answer waits 40 ms for the client's delayed acknowledgement.
    if (tls === undefined) return createServer({ noDelay: true }, (socket) => this.#accept(socket));
    const mutual = tls.ca === undefined ? {} : { ca: tls.ca, requestCert: true, rejectUnauthorized: true };
    const own = { cert: tls.cert, key: tls.key, handshakeTimeout: this.#limits.connectTimeout, noDelay: true };
    try {
      return createTlsServer({ ...own, ...mutual }, (socket) => this.#accept(socket));
    } catch (cause) {
      throw new HalError("broker.tls", "the broker's certificate or key cannot be used", { cause });
    }
  }

  /** From the first octet on, TLS handshakes included. */
  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #accept(socket: Socket): void {
    this.#guardReading(socket);
    this.#guardWriting(socket);
    this.#addresses.set(this.#aedes.handle(socket), addressOf(socket));
  }

  /** aedes takes its octets with `read`, so that is where they are looked at. */
  #guardReading(socket: Socket): void {
    const guard = new PacketGuard(this.#limits.packet);
    const read = socket.read.bind(socket);
    socket.read = (size) => {
      const chunk = read(size);
      const fault = chunk === null ? undefined : guard.check(chunk);
      if (fault === undefined) return chunk;
      this.#cutOff(socket, fault, chunk);
      return null;
    };
  }

  #cutOff(socket: Socket, fault: "no-mqtt" | "oversized", [first]: Uint8Array): void {
    this.drops.count(`broker.${fault}`);
    const detail =
      first === TLS_HANDSHAKE ? "a TLS handshake where TLS is off" : "the connection begins with no CONNECT";
    if (fault === "no-mqtt") this.#options.refused?.({ reason: fault, address: addressOf(socket), detail });
    socket.destroy();
  }

  /**
   * When a write reports back-pressure aedes stops reading from whoever published, so one set-top that does not read would silence
   * the key server. Here messages for slow clients are dropped instead, and only what a client asks for itself can still pile up.
   */
  #guardWriting(socket: Socket): void {
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    const guarded = (...args: unknown[]): boolean => {
      write(...args);
      if (socket.writableLength > CUT_OFF * this.#limits.backlog) {
        this.drops.count("broker.slow");
        socket.destroy();
      }
      return true;
    };
    socket.write = guarded as Socket["write"];
  }

  async #authenticate(
    client: Client,
    user: string | undefined,
    password: Buffer | undefined,
    done: (error: AuthenticateError | null, success: boolean | null) => void,
  ): Promise<void> {
    if (user !== client.id || !isIdentifier(client.id)) {
      const detail = user === client.id ? undefined : `user name ${user ?? "missing"}`;
      this.#refuse("broker.client-id", client, { reason: "client-id", id: client.id, detail });
      done(refusal("the client identifier must be the user name", IDENTIFIER_REJECTED), false);
      return;
    }
    const who = await this.#whoIs(client.id, password ?? new Uint8Array(0));
    if (who === "unavailable") {
      this.drops.count("broker.unavailable");
      done(refusal("the credentials cannot be looked up now", SERVER_UNAVAILABLE), false);
      return;
    }
    if (who === undefined || who === "wrong-password" || who === "revoked") {
      this.#refuse("broker.credentials", client, { reason: who ?? "unknown-id", id: client.id });
      done(refusal("unknown name or wrong password", BAD_CREDENTIALS), false);
      return;
    }
    this.#rights.set(client, { access: accessOf(who, client.id), filters: new Set() });
    done(null, true);
  }

  async #whoIs(id: string, password: Uint8Array): Promise<Authentication | "unavailable"> {
    try {
      return await this.#options.authenticate(id, password);
    } catch (error) {
      if (error instanceof HalError) return "unavailable";
      throw error;
    }
  }

  #refuse(drop: BrokerDrop, client: Client, refusal: Omit<ClientRefusal, "address">): void {
    this.drops.count(drop);
    this.#options.refused?.({ ...refusal, address: this.#addresses.get(client) ?? NO_ADDRESS });
  }

  /** Only counted here: aedes answers it. */
  #checkVersion(client: Client, { protocolVersion, clientId }: ConnectPacket): void {
    if (isSpoken(protocolVersion ?? 0)) return;
    const detail = protocolVersion === 5 ? "MQTT 5, this broker speaks 3.1.1" : `protocol level ${protocolVersion}`;
    this.#refuse("broker.version", client, { reason: "version", id: clientId, detail });
  }

  /** A connection that ends before it has a name. What was answered with a CONNACK has been counted, what just broke is no refusal. */
  #stammered(client: Client, error: Error): void {
    if ("errorCode" in error || "code" in error) return;
    this.#refuse("broker.no-mqtt", client, { reason: "no-mqtt", detail: error.message });
  }

  #unshaken(error: Error, socket: Socket): void {
    this.drops.count("broker.tls");
    const detail = "reason" in error ? String(error.reason) : error.message;
    this.#options.refused?.({ reason: "tls", address: addressOf(socket), detail });
  }

  /** An error closes the connection, which MQTT 3.1.1 section 3.3.5 leaves as the only honest answer. */
  #authorizePublish(client: Client | null, packet: PublishPacket): Error | null {
    if (client === null) return null;
    const access = this.#rights.get(client)?.access;
    const allowed = access !== undefined && mayPublish(access, packet.topic);
    const keepable = mayRetain(packet.topic) && packet.payload.length <= NOTICE_LIMIT;
    if (allowed && (!packet.retain || keepable)) return null;
    this.#refuse("broker.publish", client, { reason: "publish", id: client.id, detail: packet.topic });
    return new Error("not one of this client's topics");
  }

  /** null answers the subscription with failure (0x80) and leaves the connection alone. */
  #authorizeSubscribe(client: Client, subscription: Subscription): Subscription | null {
    const rights = this.#rights.get(client);
    const { topic } = subscription;
    const fits = rights !== undefined && (rights.filters.has(topic) || rights.filters.size < this.#limits.filters);
    if (fits && maySubscribe(rights.access, topic)) {
      rights.filters.add(topic);
      return subscription;
    }
    this.#refuse("broker.subscribe", client, { reason: "subscribe", id: client.id, detail: topic });
    return null;
  }

  #isSlow(client: Client): boolean {
    if (client.conn.writableLength <= this.#limits.backlog) return false;
    this.drops.count("broker.slow");
    return true;
  }
}

/** The first octet of a TLS record that begins a handshake (RFC 8446 section 5.1). */
const TLS_HANDSHAKE = 0x16;
const NO_ADDRESS = "unknown";

/** As a person writes it: an IPv4 client of an IPv6 listener by its IPv4 address. */
const addressOf = ({ remoteAddress }: Socket): string => remoteAddress?.replace(/^::ffff:/, "") ?? NO_ADDRESS;

function refusal(message: string, returnCode: number): AuthenticateError {
  return Object.assign(new Error(message), { returnCode });
}

function listenError(cause: NodeJS.ErrnoException, { host, port }: BrokerListenerOptions): HalError {
  const where = `${host}:${port}`;
  switch (cause.code) {
    case "EADDRINUSE":
      return new HalError("broker.in-use", `another process already listens on ${where}`, { cause });
    case "EACCES":
      return new HalError("broker.permission", `this user may not listen on ${where}`, { cause });
    default:
      return new HalError("broker.address", `cannot listen on ${where}: ${cause.message}`, { cause });
  }
}
