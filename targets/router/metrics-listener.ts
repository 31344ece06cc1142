// Metrics over HTTP, for a collector that does not speak to a Unix socket. It tells and never takes: GET /metrics, nothing else.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { HalError } from "../../core/ports/errors.ts";
import { METRICS_TYPE } from "./metrics.ts";

/** Collectors at once; a process that is in their hands could not be asked by anybody else. */
const MOST_CONNECTIONS = 16;
/** For a request to arrive, and for the answer to be taken, in ms. */
const PATIENCE = 5_000;

/** Where it listens. */
export interface MetricsAddress {
  readonly address: string;
  readonly port: number;
}

/** Open until `close`. */
export interface MetricsListener {
  /** What it listens on, which says the port that port 0 came to. */
  readonly port: number;
  close(): void;
}

/** Rejects with HalError "metrics.open" when the address or port cannot be had. */
export async function listenForCollectors(
  { address, port }: MetricsAddress,
  text: () => string,
): Promise<MetricsListener> {
  const server = createServer(
    { requestTimeout: PATIENCE, headersTimeout: PATIENCE, keepAlive: false },
    (incoming, outgoing) => answer(incoming, outgoing, text),
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(PATIENCE, (socket) => socket.destroy());
  await opened(server, { address, port });
  // A failed accept (no descriptors left) costs a collector its answer, nobody else anything.
  server.on("error", () => {});
  const there = server.address();
  return {
    port: typeof there === "object" && there !== null ? there.port : port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function opened(server: Server, { address, port }: MetricsAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(
        new HalError("metrics.open", `cannot listen for collectors on ${address}:${port}: ${cause.message}`, {
          cause,
          alternative: "configure another `metrics.address` or `metrics.port`",
        }),
      );
    server.once("error", failed);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

function answer({ method, url }: IncomingMessage, outgoing: ServerResponse, text: () => string): void {
  outgoing.setHeader("connection", "close");
  if (url !== "/metrics") {
    outgoing.writeHead(404, { "content-type": "text/plain" }).end("there is /metrics\n");
  } else if (method !== "GET" && method !== "HEAD") {
    outgoing.writeHead(405, { "content-type": "text/plain", allow: "GET, HEAD" }).end();
  } else {
    outgoing.writeHead(200, { "content-type": METRICS_TYPE }).end(method === "HEAD" ? undefined : text());
  }
}
