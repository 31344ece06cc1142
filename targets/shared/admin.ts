// The local door: HTTP with JSON over a Unix socket, for `status` and the operator's commands. File permissions guard it.
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { HalError } from "../../core/ports/errors.ts";
import { makeFolder } from "../../hal/folder.ts";

/** Octets that a command's arguments may have. */
const LARGEST_BODY = 1024 * 1024;

/** Characters of a list that are sent at once. */
const LIST_PART = 64 * 1024;

/** By name. A handler answers with a JSON value, or with a list as an AsyncIterable of rows, which is never held whole. */
export type Commands = Readonly<Record<string, (input: unknown) => unknown>>;

/** A command's own refusal: shown to the caller as it is, with exit code 65. */
export class CommandRefused extends Error {
  override readonly name = "CommandRefused";
}

/** What stands behind the door. */
export interface Served {
  status(): object;
  readonly commands: Commands;
}

/** Open until `close`. */
export interface AdminDoor {
  /** Answers from here on; who asked before has waited. */
  serve(served: Served): void;
  close(): Promise<void>;
}

type Answer = { readonly code: number; readonly body: unknown };
type Rows = AsyncIterable<unknown>;

const isRows = (value: unknown): value is Rows =>
  typeof value === "object" && value !== null && Symbol.asyncIterator in value;

async function answer(method: string, url: string, body: string, { status, commands }: Served): Promise<Answer> {
  if (method === "GET" && url === "/status") return { code: 200, body: status() };
  const name = url.startsWith("/command/") ? url.slice("/command/".length) : "";
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (method !== "POST" || command === undefined)
    return { code: 404, body: { error: `no such command: ${method} ${url}` } };
  let input: unknown;
  try {
    input = body === "" ? {} : JSON.parse(body);
  } catch {
    return { code: 400, body: { error: "the arguments are not JSON" } };
  }
  try {
    return { code: 200, body: (await command(input)) ?? null };
  } catch (error) {
    if (error instanceof CommandRefused) return { code: 422, body: { error: error.message } };
    if (error instanceof HalError) return { code: 503, body: failureOf(error) };
    throw error;
  }
}

const failureOf = ({ code, message }: HalError) => ({ code, error: message });

const HEAD = { "content-type": "application/json", connection: "close" } as const;

/** False when the reader has gone. */
function written(outgoing: ServerResponse, text: string): Promise<boolean> {
  if (outgoing.destroyed) return Promise.resolve(false);
  if (outgoing.write(text)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off("drain", done).off("close", done);
      resolve(!outgoing.destroyed);
    };
    outgoing.on("drain", done).on("close", done);
  });
}

/**
 * A list is a JSON array with one row a line. One that breaks off ends with a line of "!" and the failure: no JSON, so that nobody
 * takes it for whole.
 */
async function sendRows(rows: Rows, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(200, HEAD).flushHeaders();
  let text = "[";
  let between = "\n";
  try {
    for await (const row of rows) {
      text += `${between}${JSON.stringify(row)}`;
      between = ",\n";
      if (text.length < LIST_PART) continue;
      if (!(await written(outgoing, text))) return;
      text = "";
    }
    outgoing.end(`${text}\n]\n`);
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    outgoing.end(`${text}\n!${JSON.stringify(failureOf(error))}\n`);
  }
}

async function reply({ code, body }: Answer, outgoing: ServerResponse): Promise<void> {
  if (isRows(body)) return sendRows(body, outgoing);
  outgoing.writeHead(code, HEAD).end(`${JSON.stringify(body)}\n`);
}

function listen(served: Promise<Served>, fatal: (error: unknown) => void): Server {
  return createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    let size = 0;
    const failed = (error: unknown): void => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(500, HEAD).end('{"error":"internal error"}\n');
      fatal(error);
    };
    incoming.on("data", (part: Buffer) => {
      size += part.length;
      if (size > LARGEST_BODY) {
        void reply({ code: 413, body: { error: "the arguments are larger than 1 MiB" } }, outgoing);
        incoming.destroy();
      } else parts.push(part);
    });
    incoming.on("error", () => outgoing.destroy());
    incoming.on("end", () => {
      const { method = "", url = "" } = incoming;
      const body = Buffer.concat(parts).toString("utf8");
      const answered = served.then((behind) => answer(method, url, body, behind));
      answered.then((one) => reply(one, outgoing)).catch(failed);
    });
  });
}

/** Whether a process may stand behind the socket: only one that refuses connections is surely left over. */
const isAlive = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });

const cannotListen = (path: string, why: string, cause?: unknown): HalError =>
  new HalError("socket.open", `cannot listen on ${path}${why}`, { cause, alternative: "configure another `socket`" });

/** Removes the socket that a killed process left. Throws HalError when there is anything else at the path. */
async function clearWay(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw cannotListen(path, ": it is there and not a socket");
  if (await isAlive(path)) {
    throw new HalError("socket.in-use", `another process listens on ${path}`, {
      alternative: "stop it, or configure another `socket`",
    });
  }
  unlinkSync(path);
}

/**
 * Opens the door, mode 0600. Throws HalError "socket.in-use" when another process serves this path, "socket.open" when it cannot be
 * used.
 */
export async function openDoor(path: string, fatal: (error: unknown) => void): Promise<AdminDoor> {
  let serve: AdminDoor["serve"] = () => {};
  const served = new Promise<Served>((resolve) => {
    serve = resolve;
  });
  const server = listen(served, fatal);
  try {
    makeFolder(dirname(path), 0o755);
    await clearWay(path);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      const mask = process.umask(0o177);
      server.listen(path, resolve);
      process.umask(mask);
    });
    chmodSync(path, 0o600);
  } catch (cause) {
    throw cause instanceof HalError ? cause : cannotListen(path, "", cause);
  }
  return {
    serve,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function failure(path: string, cause: NodeJS.ErrnoException): HalError {
  const code = cause.code === "EACCES" ? "socket.permission" : "socket.failed";
  return new HalError(code, `${path}: ${cause.message}`, { cause });
}

/** The head of the answer; undefined when nobody listens at `path`, or it is "". */
function send(path: string, url: string, input: unknown): Promise<IncomingMessage | undefined> {
  if (path === "") return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const method = input === undefined ? "GET" : "POST";
    const outgoing = request({ socketPath: path, path: url, method, timeout: 10_000 }, (incoming) => {
      // What follows may wait for its reader, for hours in a pager.
      outgoing.setTimeout(0);
      resolve(incoming.setEncoding("utf8"));
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 10 s")));
    outgoing.on("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT" || cause.code === "ECONNREFUSED") resolve(undefined);
      else reject(failure(path, cause));
    });
    outgoing.end(input === undefined ? undefined : JSON.stringify(input));
  });
}

async function whole(path: string, incoming: IncomingMessage): Promise<Answer> {
  let text = "";
  try {
    for await (const part of incoming) text += part;
  } catch (cause) {
    throw failure(path, cause as NodeJS.ErrnoException);
  }
  try {
    return { code: incoming.statusCode ?? 500, body: JSON.parse(text) };
  } catch {
    throw new HalError("socket.protocol", `the process behind ${path} did not answer in JSON`);
  }
}

/** What the process behind the socket answered; undefined when nobody listens there. Throws HalError "socket.*". */
export async function ask(path: string, url: string, input?: unknown): Promise<Answer | undefined> {
  const incoming = await send(path, url, input);
  return incoming === undefined ? undefined : whole(path, incoming);
}

/**
 * The same for a command that answers with a list: its rows as they come, or the answer when it is none. The rows throw HalError when
 * the list breaks off: the failure that the process named, or "socket.cut-short".
 */
export async function askRows(
  path: string,
  url: string,
  input: unknown,
): Promise<{ readonly rows: AsyncIterable<object> } | Answer | undefined> {
  const incoming = await send(path, url, input);
  if (incoming === undefined) return undefined;
  return incoming.statusCode === 200 ? { rows: rowsOf(path, incoming) } : whole(path, incoming);
}

async function* rowsOf(path: string, incoming: IncomingMessage): AsyncGenerator<object> {
  for await (const line of linesOf(path, incoming)) {
    if (line === "[") continue;
    if (line === "]") return;
    if (line.startsWith("!")) {
      const { code, error } = JSON.parse(line.slice(1)) as ReturnType<typeof failureOf>;
      throw new HalError(code, `${error}: the list is not complete`);
    }
    yield JSON.parse(line.endsWith(",") ? line.slice(0, -1) : line) as object;
  }
  throw cutShort(path);
}

const cutShort = (path: string, cause?: unknown): HalError =>
  new HalError("socket.cut-short", `the process behind ${path} broke off: the list is not complete`, { cause });

async function* linesOf(path: string, incoming: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  try {
    for await (const part of incoming) {
      const lines = `${rest}${part}`.split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (cause) {
    throw cause instanceof HalError ? cause : cutShort(path, cause);
  }
}
