// For lab tests: IGMP made and read by scapy in a namespace, and that namespace's kernel as an IGMP host (wire.testkit.py).
import assert from "node:assert/strict";
import { type Actor, act } from "../namespaces.testkit.ts";

/** Debian's: another one that stands first in PATH has no scapy. */
const PYTHON = "/usr/bin/python3";
const PROGRAM = "targets/router/conformance/wire.testkit.py";
const LIMIT = 20_000;

/** A record of a v3 report: its type (a number for one that there is not), group, sources, words of auxiliary data. */
export type WireRecord = readonly [
  type: string | number,
  group: string,
  sources: readonly string[],
  auxiliaryWords?: number,
];

/** What a frame is made of; what is left out is as the RFC has it. */
export interface Frame {
  readonly kind: "report1" | "report2" | "leave" | "report3" | "query1" | "query2" | "query3" | "raw" | "udp";
  readonly src: string;
  readonly dst?: string;
  readonly mac?: string;
  /** The MAC that it is sent to, else that of its destination's group. */
  readonly to?: string;
  readonly group?: string;
  readonly records?: readonly WireRecord[];
  /** How many records the head says; else as many as there are. */
  readonly count?: number;
  readonly sources?: readonly string[];
  readonly s?: 0 | 1;
  readonly qrv?: number;
  readonly qqic?: number;
  readonly code?: number;
  readonly ttl?: number;
  readonly tos?: number;
  readonly alert?: boolean;
  /** The IGMP checksum is wrong. */
  readonly wrong?: boolean;
  /** Hex, behind the message. */
  readonly trailing?: string;
  /** Hex of a message of kind "raw", its checksum 0. */
  readonly octets?: string;
  /** The payload of kind "udp". */
  readonly text?: string;
}

/** What an interface heard, as scapy reads it. */
export interface Heard {
  readonly on: string;
  readonly kind: "query" | "report1" | "report2" | "report3" | "leave" | "unknown" | "udp";
  readonly src: string;
  readonly dst: string;
  readonly ttl: number;
  readonly tos: number;
  readonly alert?: boolean;
  /** Its checksum is right. */
  readonly sound?: boolean;
  readonly length?: number;
  readonly octets?: string;
  readonly version?: number;
  readonly code?: number;
  readonly group?: string;
  readonly sources?: readonly string[];
  readonly s?: number;
  readonly qrv?: number;
  readonly qqic?: number;
  readonly records?: readonly (readonly [string | number, string, readonly string[]])[];
  readonly text?: string;
}

/** One namespace's interfaces. */
export class Wire {
  readonly #actor: Actor;
  readonly #namespace: string;
  #id = 0;
  readonly #heard: Heard[] = [];
  #read = 0;

  constructor(namespace: string, interfaces: readonly string[]) {
    this.#namespace = namespace;
    this.#actor = act(namespace, PYTHON, PROGRAM, ...interfaces);
  }

  get namespace(): string {
    return this.#namespace;
  }

  /** Resolves when it listens. */
  ready(): Promise<void> {
    return this.#actor.saw(/"ready"/, LIMIT);
  }

  /** Its process ends, and the memberships of its host with it. */
  close(): void {
    this.#actor.process.stdin?.end();
  }

  /** Puts frames on the link of an interface. */
  async put(on: string, ...frames: readonly Frame[]): Promise<void> {
    await this.#do({ put: on, frames });
  }

  /** The octets of an IGMP message with its checksum, "22:00:...". */
  async message(frame: Omit<Frame, "src">): Promise<string> {
    return (await this.#do({ message: frame })).octets ?? assert.fail("no octets");
  }

  /** The kernel at `address` on an interface joins or leaves, as a program asks it to (IP_ADD_MEMBERSHIP, RFC 3376 section 2). */
  async host(
    what: "join" | "leave" | "block" | "unblock",
    on: string,
    address: string,
    group: string,
    source?: string,
  ): Promise<void> {
    await this.#do({ host: what, on, address, group, source });
  }

  async #do(what: object): Promise<{ octets?: string }> {
    this.#id += 1;
    const id = this.#id;
    const from = this.#actor.lines.length;
    this.#actor.say(JSON.stringify({ id, ...what }));
    const done = new RegExp(`"done": ${id}[,}]`);
    await this.#actor.saw(done, LIMIT, from);
    return JSON.parse(this.#actor.lines.slice(from).find((line) => done.test(line)) ?? "{}") as { octets?: string };
  }

  /** Where the record of what was heard ends now. */
  get now(): number {
    this.#take();
    return this.#heard.length;
  }

  /** Everything that was heard since `from` and passes. */
  heard(wanted: (one: Heard) => boolean, from = 0): readonly Heard[] {
    this.#take();
    return this.#heard.slice(from).filter(wanted);
  }

  /** The first so many since `from` that pass, once they are there. */
  async hears(what: string, wanted: (one: Heard) => boolean, from = 0, times = 1): Promise<readonly Heard[]> {
    await until(
      `${times} of ${what}`,
      () => this.heard(wanted, from).length >= times,
      () => this.#tail(from),
    );
    return this.heard(wanted, from).slice(0, times);
  }

  #tail(from: number): string {
    return this.heard(() => true, from)
      .slice(-20)
      .map((one) => JSON.stringify(one))
      .join("\n");
  }

  #take(): void {
    for (const line of this.#actor.lines.slice(this.#read))
      if (line.startsWith('{"on"')) this.#heard.push(JSON.parse(line));
    this.#read = this.#actor.lines.length;
  }
}

/** Waits for something that no event tells; `why` is told when it does not come. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  why: () => string = () => "",
  limit = LIMIT,
): Promise<void> {
  const end = performance.now() + limit;
  while (!(await holds())) {
    assert.ok(performance.now() < end, `waited ${limit} ms in vain for ${what}\n${why()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
