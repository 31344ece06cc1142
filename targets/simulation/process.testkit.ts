// One simulated process: what it holds of the machine ends with it, at once and without a word, as after kill -9.
import type { Role } from "../../core/control/participant.ts";
import type { BusConnector, BusListener } from "../../core/ports/bus.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Datagrams } from "../../core/ports/datagrams.ts";
import type { Forwarding } from "../../core/ports/forwarding.ts";
import type { FrameTaps } from "../../core/ports/frame-tap.ts";
import type { IgmpSockets } from "../../core/ports/igmp-socket.ts";
import type { Links } from "../../core/ports/links.ts";
import type { SimulatedBroker } from "../../hal/bus/simulated.ts";

export class SimulatedProcess {
  readonly #ends: (() => void)[] = [];
  #alive = true;

  get alive(): boolean {
    return this.#alive;
  }

  /** `end` is called when this life ends; at once when it already has. */
  until(end: () => void): void {
    if (this.#alive) this.#ends.push(end);
    else end();
  }

  end(): void {
    this.#alive = false;
    for (const end of this.#ends.splice(0)) end();
  }

  /** Alarms of the dead do not ring. */
  clock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      unix: (at) => clock.unix(at),
      at: (time) => clock.at(time),
      alarm: (at, ring) => clock.alarm(at, () => void (this.#alive && ring())),
    };
  }

  /** The broker sees a broken connection and publishes the will. `sent` hears every publish, for the log. */
  buses(
    broker: SimulatedBroker,
    role: Role | undefined,
    sent: (topic: string, payload: Uint8Array) => void,
  ): BusConnector {
    return {
      connect: (options, listener) => {
        const bus = broker.connector(role).connect(options, this.#hearing(listener));
        this.until(() => {
          broker.cut(options.clientId);
          void bus.close();
        });
        return {
          get connected() {
            return bus.connected;
          },
          get dropped() {
            return bus.dropped;
          },
          publish: (topic, payload, retained) => {
            if (!this.#alive) return;
            if (bus.connected) sent(topic, payload);
            bus.publish(topic, payload, retained);
          },
          subscribe: (filter) => bus.subscribe(filter),
          unsubscribe: (filter) => bus.unsubscribe(filter),
          close: () => bus.close(),
        };
      },
    };
  }

  /** The kernel closes the sockets of the dead, and so leaves their groups. */
  datagrams(datagrams: Datagrams): Datagrams {
    return {
      open: async (options, listener) => {
        const socket = await datagrams.open(options, {
          datagram: (payload, from, port) => void (this.#alive && listener.datagram(payload, from, port)),
          failed: (error) => void (this.#alive && listener.failed(error)),
        });
        this.until(() => socket.close());
        return socket;
      },
    };
  }

  igmp(sockets: IgmpSockets): IgmpSockets {
    const { hearsUnjoined } = sockets;
    return { hearsUnjoined, open: (name, listener) => this.#closing(sockets.open(name, listener)) };
  }

  taps(taps: FrameTaps): FrameTaps {
    return { open: (port, listener) => this.#closing(taps.open(port, listener)) };
  }

  forwarding(forwarding: Forwarding): Forwarding {
    return { open: (listener) => this.#closing(forwarding.open(listener)) };
  }

  links(links: Links): Links {
    return {
      get: (name) => links.get(name),
      neighbour: (name, address) => links.neighbour(name, address),
      list: () => links.list(),
      changes: (changed) => {
        const stop = links.changes(changed);
        this.until(stop);
        return stop;
      },
      watch: (names, changed) => {
        const unwatch = links.watch(names, changed);
        this.until(unwatch);
        return unwatch;
      },
    };
  }

  #closing<T extends { close(): void }>(held: T): T {
    this.until(() => held.close());
    return held;
  }

  #hearing(listener: BusListener): BusListener {
    return {
      message: (message) => void (this.#alive && listener.message(message)),
      up: () => void (this.#alive && listener.up()),
      down: (error) => void (this.#alive && listener.down(error)),
    };
  }
}
