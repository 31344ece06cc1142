// The parts of the untyped native packages that the drivers use.
declare module "raw-socket" {
  export interface Socket {
    /** `value` is an int, or octets of `length`. Throws Error with strerror's text. */
    setOption(level: number, option: number, value: number | Buffer, length?: number): void;
    send(
      buffer: Buffer,
      offset: number,
      length: number,
      address: string,
      sent: (error: Error | null, bytes: number) => void,
    ): Socket;
    /** `packet` lies in one buffer that every message reuses. */
    on(event: "message", listener: (packet: Buffer, source: string) => void): Socket;
    on(event: "error", listener: (error: Error) => void): Socket;
    close(): Socket;
    /** The native part. `recv` reads one packet into `buffer` at once; throws Error with strerror's text, of EAGAIN when none waits. */
    readonly wrap: {
      recv(buffer: Buffer, received: (buffer: Buffer, length: number, source: string) => void): void;
    };
  }
  export function createSocket(options: { protocol: number; bufferSize?: number }): Socket;
}

declare module "cap" {
  export class Cap {
    /** Returns the link type. The buffer must stay referenced until `close`. */
    open(device: string, filter: string, ringBytes: number, buffer: Buffer): string;
    setMinBytes?(bytes: number): void;
    send(frame: Buffer, length: number): void;
    on(event: "packet", listener: (length: number, truncated: boolean) => void): this;
    close(): void;
  }
}
