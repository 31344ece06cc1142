// The local door: HTTP with JSON over a Unix socket, for `status` and the operator's commands. File permissions guard it.
import { chmodSync, existsSync, mkdirSync, unlinkSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { HalError } from "../../core/ports/errors.ts";

/** Octets that a command's arguments may have. */
const LARGEST_BODY = 1024 * 1024;

export type Commands = Readonly<Record<string, (input: unknown) => unknown>>;

/** A command's own refusal: shown to the caller as it is, with exit code 65. */
export class CommandRefused extends Error {
  override readonly name = "CommandRefused";
}

export interface AdminDoor {
  close(): Promise<void>;
}

type Answer = { readonly code: number; readonly body: unknown };

async function answer(
  method: string,
  url: string,
  body: string,
  status: () => object,
  commands: Commands,
): Promise<Answer> {
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

function serve(status: () => object, commands: Commands, fatal: (error: unknown) => void): Server {
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
      answer(incoming.method ?? "", incoming.url ?? "", Buffer.concat(parts).toString("utf8"), status, commands).then(
        reply,
        (error) => {
          reply({ code: 500, body: { error: "internal error" } });
          fatal(error);
        },
      );
    });
  });
}

/** Whether a process answers at this path: a dead one's socket file may be replaced, a living one's not. */
const isAlive = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });

/** Opens the door, mode 0600. Throws HalError "socket.in-use" when another process serves this path. */
export async function openDoor(
  path: string,
  status: () => object,
  commands: Commands,
  fatal: (error: unknown) => void,
): Promise<AdminDoor> {
  if (existsSync(path)) {
    if (await isAlive(path)) {
      throw new HalError("socket.in-use", `another process listens on ${path}`, {
        alternative: "stop it, or configure another `socket`",
      });
    }
    unlinkSync(path);
  }
  const server = serve(status, commands, fatal);
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(
        new HalError("socket.open", `cannot listen on ${path}`, { cause, alternative: "configure another `socket`" }),
      );
    server.once("error", failed);
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    } catch (cause) {
      failed(cause as Error);
      return;
    }
    const mask = process.umask(0o177);
    server.listen(path, () => {
      server.off("error", failed);
      resolve();
    });
    process.umask(mask);
  });
  chmodSync(path, 0o600);
  return {
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
