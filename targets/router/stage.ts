// What a scratch router stands on: interfaces, sockets and routes that are none.
import { type Ipv4, ipv4 } from "../../core/base/ipv4.ts";
import type { Forwarding, ForwardingListener } from "../../core/ports/forwarding.ts";
import type { IgmpListener, IgmpSockets } from "../../core/ports/igmp-socket.ts";
import type { Link, Links } from "../../core/ports/links.ts";

/** 10.255.0.1 and 10.0.0.9. */
const [ROUTER, SOURCE] = [ipv4(0x0aff0001), ipv4(0x0a000009)];

/** Every interface is there. */
const linkOf = (name: string): Link => ({
  name,
  index: 1,
  up: true,
  addresses: [{ address: ROUTER, prefixLength: 8 }],
  ports: [],
});

const links: Links = {
  get: linkOf,
  list: () => [],
  changes: () => () => {},
  watch: () => () => {},
  neighbour: () => undefined,
};

/** The network of a scratch router, in which every interface is there: what the router says goes nowhere. */
export class Stage {
  readonly #listeners = new Map<string, IgmpListener>();
  #upcalls: ForwardingListener | undefined;
  readonly #delivers: () => void;

  readonly links = links;

  /** `delivers`: for each route that leads to a viewer. */
  constructor(delivers: () => void) {
    this.#delivers = delivers;
  }

  readonly igmp: IgmpSockets = {
    hearsUnjoined: true,
    open: (interfaceName, listener) => {
      this.#listeners.set(interfaceName, listener);
      return { interfaceName, send() {}, dropped: () => 0, close() {} };
    },
  };

  readonly forwarding: Forwarding = {
    open: (listener) => {
      this.#upcalls = listener;
      return {
        addInterface() {},
        removeInterface() {},
        set: ({ outbound }) => {
          if (outbound.length > 0) this.#delivers();
        },
        prepare() {},
        remove() {},
        inherited: () => [],
        use: () => [],
        counts: () => ({}),
        dropped: () => 0,
        handOver: () => false,
        close() {},
      };
    },
  };

  /** The source sends to the group, and there is no route. */
  stream(inbound: string, group: Ipv4): void {
    this.#upcalls?.noRoute(SOURCE, group, inbound);
  }

  /** A whole IPv4 packet comes in on the interface. */
  hear(interfaceName: string, packet: Uint8Array, mac?: string): void {
    this.#listeners.get(interfaceName)?.packet(packet, mac === undefined ? {} : { mac, vouched: false });
  }
}
