// The dialogue with the kernel about the multicast database of its bridges, by rtnetlink: what is put in, taken out and found there.
import { NativeSocket, ReceiveRoom } from "../native/socket.ts";
import type { SocketsModule } from "../native/sockets.ts";
import { writeNative16 } from "../socket-options.ts";
import {
  allEntries,
  answersIn,
  deleteEntry,
  type MdbAnswer,
  type MdbDialect,
  type MdbEntry,
  type MdbState,
  newEntry,
  newRefusal,
} from "./mdb-message.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const SOCKADDR_NL_OCTETS = 12;
/** The kernel fills at most so much of a read of this size. */
const SLOT = 32768;

const ENOENT = 2;
const EEXIST = 17;
const ENODEV = 19;
/** What it says of what it does not know, and while the bridge does not snoop. */
export const EINVAL = 22;

/** struct sockaddr_nl of the kernel. */
const TO_KERNEL = Buffer.alloc(SOCKADDR_NL_OCTETS);
writeNative16(TO_KERNEL, 0, AF_NETLINK);

/** An entry of the database, or one that gives its port nothing. */
export type FoundEntry = Extract<MdbAnswer, { kind: "entry" | "refusal" }>;

/** A port and a group. */
type Place = Omit<MdbEntry, "source">;

/** Requests to the kernel, each answered before it returns. */
export class MdbKernel {
  readonly #socket: NativeSocket;
  #sequence = 0;
  #dialect: MdbDialect;

  /** Throws SystemError. */
  constructor(native: SocketsModule, dialect: MdbDialect) {
    this.#dialect = dialect;
    this.#socket = NativeSocket.make(native, new ReceiveRoom(SLOT), [AF_NETLINK, SOCK_RAW, NETLINK_ROUTE]);
  }

  /** errno, 0 when it was done; where the kernel turns out not to know all of it, the dialect is plain from then on. */
  add(entry: MdbEntry): number {
    const errno = this.#replace(entry, this.#dialect, "permanent");
    return errno === EINVAL && this.#dialect === "full" ? this.#addPlain(entry) : errno;
  }

  /** As if the kernel had just heard a report: nobody's entry, which it ends by itself. */
  leave(entry: MdbEntry): number {
    return this.#replace(entry, "plain", "temporary");
  }

  #replace(entry: MdbEntry, dialect: MdbDialect, state: MdbState): number {
    const add = () => this.#done((sequence) => newEntry(sequence, entry, dialect, state));
    const errno = add();
    if (errno !== EEXIST) return errno;
    // It does not replace.
    this.remove(entry);
    return add();
  }

  #addPlain(entry: MdbEntry): number {
    const errno = this.#done((sequence) => newEntry(sequence, entry, "plain", "permanent"));
    if (errno === 0 || errno === EEXIST) this.#dialect = "plain";
    return errno;
  }

  /** Whether the port gets nothing of the group from now on, whatever it reports; false: as before. */
  refuse(place: Place): boolean {
    if (this.#dialect !== "full") return false;
    const request = (sequence: number): Buffer => newRefusal(sequence, place);
    const errno = this.#done(request);
    if (errno !== EEXIST) return errno === 0;
    this.remove({ ...place, source: undefined });
    return this.#done(request) === 0;
  }

  /** errno, 0 when it was done or there is no such entry. */
  remove(entry: MdbEntry): number {
    const errno = this.#done((sequence) => deleteEntry(sequence, entry));
    return errno === ENOENT || errno === EINVAL || errno === ENODEV ? 0 : errno;
  }

  /** What is there. */
  entries(bridge: number): readonly FoundEntry[] {
    const found: FoundEntry[] = [];
    this.#ask(allEntries, (answer) => {
      if ((answer.kind === "entry" || answer.kind === "refusal") && answer.entry.bridge === bridge) found.push(answer);
    });
    return found;
  }

  /** The numbers of ports behind which it knows a router. */
  routers(bridge: number): ReadonlySet<number> {
    const found = new Set<number>();
    this.#ask(allEntries, (answer) => {
      if (answer.kind === "router" && answer.bridge === bridge) found.add(answer.port);
    });
    return found;
  }

  close(): void {
    this.#socket.close();
  }

  #done(request: (sequence: number) => Buffer): number {
    let errno = EINVAL;
    this.#ask(request, (answer) => {
      if (answer.kind === "done") errno = answer.errno;
    });
    return errno;
  }

  /** The kernel has answered when the send returns, a long answer in parts as they are read. */
  #ask(request: (sequence: number) => Buffer, hear: (answer: MdbAnswer) => void): void {
    const sequence = ++this.#sequence;
    const error = this.#socket.send(request(sequence), TO_KERNEL);
    if (error !== undefined) return;
    let done = false;
    while (!done) {
      let heard = false;
      this.#socket.drain((room, slot) => {
        heard = true;
        for (const answer of answersIn(room.octets(slot))) {
          if (answer.kind === "done") done ||= answer.sequence === sequence;
          hear(answer);
        }
      });
      if (!heard) return;
    }
  }
}
