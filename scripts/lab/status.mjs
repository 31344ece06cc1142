// Asks a running process what it says of itself, through its local socket (a path: namespaces do not matter).
import { request } from "node:http";

/**
 * The parsed answer; undefined when nobody listens or the answer is not whole.
 * @param {string} socketPath
 * @param {{ path?: string, input?: unknown }} [what]
 * @returns {Promise<any>}
 */
export function askSocket(socketPath, { path = "/status", input } = {}) {
  return new Promise((resolve) => {
    const method = input === undefined ? "GET" : "POST";
    const outgoing = request({ socketPath, path, method, timeout: 60_000 }, (incoming) => {
      let text = "";
      incoming.setEncoding("utf8").on("data", (part) => {
        text += part;
      });
      incoming.on("error", () => resolve(undefined));
      incoming.on("end", () => {
        try {
          resolve(JSON.parse(text));
        } catch {
          resolve(undefined);
        }
      });
    });
    outgoing.on("timeout", () => outgoing.destroy());
    outgoing.on("error", () => resolve(undefined));
    outgoing.end(input === undefined ? undefined : JSON.stringify(input));
  });
}
