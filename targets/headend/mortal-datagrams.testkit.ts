// Sockets that die without a word: what they are given to send fails, and what comes for them is not heard. Those opened later live.
import type { DatagramListener, DatagramOptions, DatagramSocket, Datagrams } from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";

interface Life {
  ended: boolean;
}

export class MortalDatagrams implements Datagrams {
  readonly #inner: Datagrams;
  readonly #lives: Life[] = [];
  readonly opened: DatagramOptions[] = [];

  constructor(inner: Datagrams) {
    this.#inner = inner;
  }

  async open(options: DatagramOptions, listener: DatagramListener): Promise<DatagramSocket> {
    const life: Life = { ended: false };
    this.#lives.push(life);
    this.opened.push(options);
    const socket = await this.#inner.open(options, {
      datagram: (payload, from, port) => {
        if (!life.ended) listener.datagram(payload, from, port);
      },
      failed: (error) => listener.failed(error),
    });
    return {
      port: socket.port,
      join: (membership) => socket.join(membership),
      leave: (membership) => socket.leave(membership),
      send: (payload, to, port, sent) => {
        if (life.ended) setImmediate(() => sent?.(new HalError("datagram.send", "cannot send (ENODEV)")));
        else socket.send(payload, to, port, sent);
      },
      overflows: () => socket.overflows(),
      close: () => socket.close(),
    };
  }

  killAll(): void {
    for (const life of this.#lives) life.ended = true;
  }
}
