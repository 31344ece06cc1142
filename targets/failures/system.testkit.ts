// For the tests of failures: control, a headend with one channel and set-tops that are entitled to it, as bundles on loopback.
import dgram from "node:dgram";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Role } from "../../core/control/participant.ts";
import { freeUdpPort } from "../../hal/free-port.testkit.ts";
import type { Identity } from "../../hal/identity/identity.ts";
import {
  Configured,
  controlConfig,
  headendConfig,
  hex,
  type Json,
  makeIdentity,
  type RunOptions,
  settopConfig,
} from "./bundles.testkit.ts";

/** Of one numbered datagram: seven packets of a transport stream. */
export const DATAGRAM = 1316;
const TS_PACKET = 188;

/** Every octet of it depends on its number. */
export function numbered(number: number): Uint8Array {
  const datagram = new Uint8Array(DATAGRAM);
  for (let at = 0; at < DATAGRAM; at++) datagram[at] = (number * 31 + at * 7 + (number >> 8)) & 255;
  new DataView(datagram.buffer).setUint32(4, number);
  for (let at = 0; at < DATAGRAM; at += TS_PACKET) datagram.set([0x47, 1, 0], at);
  return datagram;
}

export class System {
  readonly control: Configured;
  readonly group: string;
  readonly port: number;
  readonly broker: { readonly url: string; readonly port: number };
  readonly keyServer: { readonly id: string; readonly publicKey: string; readonly noticeKey: string };
  readonly #folder: string;
  /** Where the headend listens. */
  readonly inputPort: number;
  readonly #input = dgram.createSocket("udp4");
  /** Numbered datagrams that the headend was given. */
  given = 0;

  private constructor(control: Configured, folder: string, told: Json, group: string, ports: readonly number[]) {
    this.control = control;
    this.#folder = folder;
    this.group = group;
    [this.port, this.inputPort] = ports as [number, number];
    this.broker = { url: `mqtt://127.0.0.1:${told.broker.ports[0]}`, port: told.broker.ports[0] };
    this.keyServer = told.peers;
    this.#input.unref();
  }

  /** Control alone, with the channel `one` in a package that the subscriber has. */
  static async start(folder: string, group: string, more: object = {}, options: RunOptions = {}): Promise<System> {
    const file = (name: string): string => join(folder, `${name}.json`);
    const keys = makeIdentity("keyserver", "key-server", file("key-server"));
    const control = new Configured("control", folder, { ...controlConfig(folder), ...more }, options);
    await control.running();
    const peers = {
      id: "key-server",
      publicKey: hex(keys.x25519.publicKey),
      noticeKey: hex(keys.ed25519?.publicKey ?? new Uint8Array(0)),
    };
    await control.command("channel.add", { id: "one" });
    await control.command("package.add", { id: "everything", channels: ["one"] });
    await control.command("subscriber.add", { id: "alice", concurrentLimit: 16 });
    await control.command("subscription.add", { subscriber: "alice", package: "everything" });
    const told = { ...(await control.status()), peers };
    return new System(control, folder, told, group, [await freeUdpPort(), await freeUdpPort()]);
  }

  /** The identity of a participant that control knows. */
  async admit(role: Role & ("headend" | "settop"), id: string): Promise<Identity> {
    const identity = makeIdentity(role, id, join(this.#folder, `${id}.json`));
    const known = { id, publicKey: hex(identity.x25519.publicKey), password: identity.password };
    if (role === "settop") await this.control.command("device.add", { ...known, subscriber: "alice" });
    else await this.control.command("service.add", { ...known, role });
    return identity;
  }

  async headend(times: object = {}): Promise<Configured> {
    await this.admit("headend", "headend");
    const input = { kind: "udp", address: "127.0.0.1", port: this.inputPort };
    const channels = [{ id: "one", group: this.group, port: this.port, input, ...times }];
    const { id, publicKey } = this.keyServer;
    const common = { broker: { url: this.broker.url }, keyServer: { id, publicKey }, channels };
    const headend = new Configured("headend", this.#folder, headendConfig(this.#folder, common));
    await headend.see("a key in use", ({ channels: [one] }: Json) => one?.epoch !== undefined || undefined);
    return headend;
  }

  /** `more` replaces entries. */
  settopConfig(id: string, more: object = {}): object {
    return settopConfig(this.#folder, {
      id,
      identity: join(this.#folder, `${id}.json`),
      journal: join(this.#folder, `${id}-receptions.json`),
      broker: { url: this.broker.url },
      keyServer: this.keyServer,
      channels: [{ id: "one", group: this.group, port: this.port }],
      ...more,
    });
  }

  /** One that has joined and holds a key. */
  async settop(id: string, more: object = {}, options: RunOptions = {}): Promise<Configured> {
    await this.admit("settop", id);
    const folder = join(this.#folder, id);
    mkdirSync(folder);
    const settop = new Configured("settop", folder, this.settopConfig(id, more), options);
    await settop.see("a key", ({ channels: [one] }: Json) => {
      const { membership, epochs } = one?.viewing ?? {};
      return (membership?.kind === "joined" && epochs.length > 0) || undefined;
    });
    return settop;
  }

  /** Gives the headend the next numbered datagrams. */
  async give(count: number): Promise<void> {
    for (let n = 0; n < count; n++)
      await new Promise<void>((resolve, reject) =>
        this.#input.send(numbered(this.given++), this.inputPort, "127.0.0.1", (error) =>
          error ? reject(error) : resolve(),
        ),
      );
  }

  /** What the group carries, as any member of it can keep it. */
  async capture(): Promise<{ readonly packets: Buffer[]; close(): void }> {
    const socket = dgram.createSocket({ type: "udp4", reuseAddr: true });
    const packets: Buffer[] = [];
    socket.on("message", (packet) => packets.push(packet));
    socket.bind(this.port, this.group);
    await once(socket, "listening");
    socket.addMembership(this.group, "127.0.0.1");
    return { packets, close: () => socket.close() };
  }

  close(): void {
    this.#input.close();
  }
}
