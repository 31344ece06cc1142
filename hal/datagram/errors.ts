// What the drivers of the datagram port say when the kernel refuses.
import { ANY, formatIpv4 } from "../../core/base/ipv4.ts";
import type { DatagramOptions } from "../../core/ports/datagrams.ts";
import { HalError } from "../../core/ports/errors.ts";
import { choiceText } from "../links/words.ts";

const OPEN_ERRORS: Readonly<Record<string, { code: string; needs: string; alternative: string }>> = {
  EADDRINUSE: {
    code: "datagram.in-use",
    needs: "an address and port that no other program holds",
    alternative: "choose another port, or end the program that holds it (ss -lunp)",
  },
  EACCES: {
    code: "datagram.permission",
    needs: "CAP_NET_BIND_SERVICE for ports below 1024",
    alternative: "choose a port of 1024 or above",
  },
};

const ADDRESS_ERROR = {
  code: "datagram.address",
  needs: "an address that one of this machine's interfaces has",
  alternative: "use 0.0.0.0 to listen on all interfaces",
};

/** "datagram.in-use", "datagram.permission" or "datagram.address"; `errno` is its name ("EADDRINUSE"). */
export function openError(errno: string, cause: unknown, { address, port, multicast }: DatagramOptions): HalError {
  const { code, needs, alternative } = OPEN_ERRORS[errno === "EPERM" ? "EACCES" : errno] ?? ADDRESS_ERROR;
  const out = multicast?.interfaceAddress ?? ANY;
  const through = out === ANY ? "" : `, multicast through ${choiceText(out)}`;
  const message = `cannot open UDP ${formatIpv4(address)}:${port}${through} (${errno})`;
  return new HalError(code, message, { cause, needs, alternative });
}

/** "datagram.membership". */
export function membershipError(what: "join" | "leave", group: string, errno: string, cause: unknown): HalError {
  return new HalError("datagram.membership", `cannot ${what} ${group} (${errno})`, {
    cause,
    needs: "an interface with an address and the multicast flag; at most net.ipv4.igmp_max_memberships groups a socket",
    alternative: "name the interface or its address, or raise net.ipv4.igmp_max_memberships",
  });
}
