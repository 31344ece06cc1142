// For the tests of the three control servers: the processes themselves, and participants that speak to them over MQTT.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { toHex } from "../../core/base/bytes.ts";
import { mosquittoAcl } from "../../core/control/access.ts";
import { Endpoint } from "../../core/control/endpoint.ts";
import { Mailbox, type Received } from "../../core/control/mailbox.ts";
import type { Message, MessageOf, Notice } from "../../core/control/messages.ts";
import type { Peer } from "../../core/control/participant.ts";
import { MqttBuses } from "../../hal/bus/mqtt.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { readIdentity } from "../../hal/identity/file.ts";
import { NodePrimitives } from "../../hal/primitives/node.ts";

export const primitives = new NodePrimitives();
const HOST = "127.0.0.1";

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The bundle of one of the three servers: its configuration on disk, its process, its command line. */
export class ServerUnderTest {
  readonly #program: string;
  readonly #config: string;
  #process: ChildProcess | undefined;

  constructor(target: "control" | "keyserver" | "reception", folder: string, config: object) {
    this.#program = resolve("dist", `${target}.cjs`);
    this.#config = join(folder, `${target}-config.json`);
    const common = { socket: join(folder, `${target}.sock`), log: { format: "json" } };
    writeFileSync(this.#config, JSON.stringify({ ...common, ...config }));
  }

  /** Resolves when it says that it is running. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [this.#program, "-c", this.#config], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    const lines = createInterface({ input: child.stdout });
    await new Promise<void>((resolve, reject) => {
      lines.on("line", (line) => line.includes('"msg":"running"') && resolve());
      child.once("exit", (code) => reject(new Error(`ended with ${code}`)));
    });
  }

  /** SIGTERM; the exit code. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    const exit = once(child, "exit");
    child.kill(signal);
    const [code] = await exit;
    return code as number | null;
  }

  run(...words: string[]): Ran {
    const ran = spawnSync(process.execPath, [this.#program, "-c", this.#config, ...words], { encoding: "utf8" });
    return { code: ran.status, out: ran.stdout, err: ran.stderr };
  }

  /** The JSON that a command prints; fails when it does not end with 0. `peers` speaks nothing else. */
  json(...words: string[]): unknown {
    const asked = words.includes("--json") || words[0] === "peers" ? words : [...words, "--json"];
    const { code, out, err } = this.run(...asked);
    if (code !== 0) throw new Error(`${words.join(" ")}: ${code} ${err}`);
    return JSON.parse(out);
  }
}

/** A broker of its own, with sealcast's table of rights. */
export class MosquittoUnderTest {
  static readonly path = "/usr/sbin/mosquitto";
  #process: ChildProcess | undefined;

  async start(folder: string, port: number, identities: readonly string[]): Promise<void> {
    const own = join(folder, "mosquitto");
    mkdirSync(own);
    const [passwords, acl, config] = ["passwords", "acl", "config"].map((name) => join(own, name)) as [
      string,
      string,
      string,
    ];
    const all = identities.map((path) => readIdentity(path, primitives));
    writeFileSync(passwords, all.map(({ id, password }) => `${id}:${password}\n`).join(""), { mode: 0o600 });
    spawnSync("mosquitto_passwd", ["-U", passwords]);
    writeFileSync(acl, mosquittoAcl(all.filter(({ role }) => role !== "settop")), { mode: 0o600 });
    const user = process.getuid?.() === 0 ? ["user root"] : [];
    const lines = [
      `listener ${port} ${HOST}`,
      "allow_anonymous false",
      `password_file ${passwords}`,
      `acl_file ${acl}`,
    ];
    writeFileSync(config, [...user, ...lines, "use_username_as_clientid true", "set_tcp_nodelay true", ""].join("\n"));
    const child = spawn(MosquittoUnderTest.path, ["-c", config, "-v"], { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stderr }).on("line", (line) => line.includes("running") && resolve());
      child.once("exit", (code) => reject(new Error(`mosquitto ended with ${code}`)));
    });
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGTERM");
    await exit;
  }
}

const REPEAT = 300;
const PATIENCE = 10_000;

/** A headend or set-top of the test: asks until it is answered, and remembers what it heard. */
export class ParticipantUnderTest {
  readonly peer: Peer;
  readonly #keyServer: Peer;
  readonly #endpoint: Endpoint;
  readonly #heard: Received[] = [];
  readonly #waiting = new Set<() => void>();
  readonly notices: Notice[] = [];

  constructor(identityFile: string, port: number, keyServer: Peer, noticeKey: Uint8Array) {
    const identity = readIdentity(identityFile, primitives);
    const { id, role, x25519 } = identity;
    this.peer = { id, role, publicKey: x25519.publicKey };
    this.#keyServer = keyServer;
    const mailbox = new Mailbox({ role, id, keys: x25519, peers: [keyServer] }, primitives, systemEntropy);
    const buses = new MqttBuses(
      { url: `mqtt://${HOST}:${port}`, password: identity.password },
      systemClock,
      systemEntropy,
    );
    this.#endpoint = new Endpoint(
      buses,
      { mailbox, clock: systemClock, primitives, noticeKey: { verify: noticeKey } },
      {
        message: (received) => this.#wake(() => this.#heard.push(received)),
        notice: (notice) => this.#wake(() => this.notices.push(notice)),
        up: () => this.#wake(() => {}),
        down: () => {},
        dropped: () => {},
      },
    );
  }

  watch(channel: string): Promise<void> {
    return this.#endpoint.watch(channel);
  }

  /** The answer to `message`, which is repeated until it comes; "key.busy" counts as none. */
  async ask(message: Message): Promise<Message> {
    const send = (): void => this.#endpoint.send(this.#keyServer, message);
    const timer = setInterval(send, REPEAT);
    send();
    try {
      const isAnswer = ({ message: heard, request }: Received): boolean =>
        request === undefined && toHex(heard.id) === toHex(message.id) && heard.type !== "key.busy";
      return (await this.#first(() => this.#heard.find(isAnswer), `an answer to ${message.type}`)).message;
    } finally {
      clearInterval(timer);
    }
  }

  tell(message: Message): void {
    this.#endpoint.send(this.#keyServer, message);
  }

  /** A message that was not asked for. */
  async hears<T extends Message["type"]>(type: T): Promise<MessageOf<T>> {
    const found = await this.#first(() => this.#heard.find(({ message }) => message.type === type), type);
    return found.message as MessageOf<T>;
  }

  notice(channel: string, epoch: number): Promise<Notice> {
    const matches = (notice: Notice): boolean => notice.channel === channel && notice.epoch === epoch;
    return this.#first(() => this.notices.find(matches), `a notice of ${channel} ${epoch}`);
  }

  close(): Promise<void> {
    return this.#endpoint.close();
  }

  #wake(note: () => void): void {
    note();
    for (const look of this.#waiting) look();
  }

  #first<T>(find: () => T | undefined, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`${this.peer.id} waited for ${what}`));
      }, PATIENCE);
      const look = (): void => {
        const found = find();
        if (found === undefined) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}
