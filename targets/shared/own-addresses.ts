// The interface addresses of a configuration, followed and told of in the log.
import { formatIpv4, type Ipv4 } from "../../core/base/ipv4.ts";
import type { Links } from "../../core/ports/links.ts";
import { OwnAddresses } from "../../hal/links/own-addresses.ts";
import type { Logger } from "./log.ts";

/** Warns of each that no interface has, now or later, and tells when it is there again. `changed` hears after either what is waited for now. */
export const ownAddresses = (
  addresses: readonly Ipv4[],
  links: Links,
  log: Logger,
  changed: (waiting: string | undefined) => void = () => {},
): OwnAddresses =>
  new OwnAddresses(addresses, links, {
    away(address, lack) {
      log.warn({ interfaceAddress: formatIpv4(address) }, `${lack}: waiting for it`);
    },
    back(address, interfaceName) {
      log.info({ interfaceAddress: formatIpv4(address), interface: interfaceName }, "interface address is there");
    },
    changed,
  });
