// The local door: HTTP with JSON over a Unix socket, for `status` and the operator's commands. File permissions guard it.
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { HalError } from "../../core/ports/errors.ts";
import { makeFolder } from "../../hal/folder.ts";

/** Octets that a command's arguments may have. */
const LARGEST_BODY = 1024 * 1024;

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

export interface AdminDoor {
  /** Answers from here on; who asked before has waited. */
  serve(served: Served): void;
  close(): Promise<void>;
}

type Answer = { readonly code: number; readonly body: unknown };

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
    if (error instanceof HalError) return { code: 503, body: { error: `${error.code}: ${error.message}` } };
    throw error;
  }
}

function listen(served: Promise<Served>, fatal: (error: unknown) => void): Server {
  return createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    let size = 0;
    const reply = ({ code, body }: Answer): void => {
      outgoing.writeHead(code, { "content-type": "application/json", connection: "close" });
      outgoing.end(`${JSON.stringify(body)}\n`);
    };
    incoming.on("data", (part: Buffer) => {
      size += part.length;
      if (size > LARGEST_BODY) {
        reply({ code: 413, body: { error: "the arguments are larger than 1 MiB" } });
        incoming.destroy();
      } else parts.push(part);
    });
    incoming.on("error", () => outgoing.destroy());
    incoming.on("end", () => {
      const { method = "", url = "" } = incoming;
      const body = Buffer.concat(parts).toString("utf8");
      const answered = served.then((behind) => answer(method, url, body, behind));
      answered.then(reply, (error) => {
        reply({ code: 500, body: { error: "internal error" } });
        fatal(error);
      });
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

/** What the process behind the socket answered; undefined when nobody listens there. */
export function ask(path: string, url: string, input?: unknown): Promise<{ code: number; body: unknown } | undefined> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { socketPath: path, path: url, method: input === undefined ? "GET" : "POST", timeout: 10_000 },
      (incoming) => {
        let text = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (part: string) => {
          text += part;
        });
        incoming.on("end", () => {
          try {
            resolve({ code: incoming.statusCode ?? 500, body: JSON.parse(text) });
          } catch {
            reject(new HalError("socket.protocol", `the process behind ${path} did not answer in JSON`));
          }
        });
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 10 s")));
    outgoing.on("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT" || cause.code === "ECONNREFUSED") resolve(undefined);
      else
        reject(
          new HalError(cause.code === "EACCES" ? "socket.permission" : "socket.failed", `${path}: ${cause.message}`, {
            cause,
          }),
        );
    });
    outgoing.end(input === undefined ? undefined : JSON.stringify(input));
  });
}
