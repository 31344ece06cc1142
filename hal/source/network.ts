// Payload from the network: unicast or multicast, any-source or source-specific, through the datagram driver.
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { formatIpv4, isMulticast } from "../../core/base/ipv4.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Datagrams, InterfaceChoice, Membership } from "../../core/ports/datagrams.ts";
import type { Intake, Source, SourceListener } from "./source.ts";

/** Where a channel's payload comes in. */
export interface NetworkInput {
  /** Where it is sent to: a multicast group, which is joined, or one of our addresses, or 0.0.0.0. */
  readonly address: Ipv4;
  readonly port: number;
  /** Accept only this sender; with a group, join source-specifically. */
  readonly source?: Ipv4;
  /** Where the group is joined. */
  readonly interfaceAddress: InterfaceChoice;
}

const RECEIVE_BUFFER = 4 * 1024 * 1024;

/** Rejects as Datagrams.open and throws HalError "datagram.membership". */
export async function openNetwork(
  input: NetworkInput,
  datagrams: Datagrams,
  clock: Clock,
  intake: Intake,
  listener: SourceListener,
): Promise<Source> {
  let taken = 0;
  let strangers = 0;
  const multicast = isMulticast(input.address);
  const socket = await datagrams.open(
    { address: input.address, port: input.port, reuse: multicast, receiveBuffer: RECEIVE_BUFFER },
    {
      datagram: (payload, from) => {
        // The kernel filters by source only for the sockets that ask; a unicast port takes from anybody.
        if (input.source !== undefined && from !== input.source) strangers++;
        else {
          taken++;
          intake.datagram(clock.now(), payload);
        }
      },
      failed: (error) => listener.failed(error),
    },
  );
  if (multicast) joinOrClose(socket, membershipOf(input));
  return {
    stop: () => socket.close(),
    status: () => ({
      input: `${formatIpv4(input.address)}:${socket.port}`,
      taken,
      drops: dropsOf(strangers, socket.overflows() ?? 0),
    }),
  };
}

/** "source.stranger": from another sender. "datagram.overflow": not read in time, the machine is too slow for the stream. */
const dropsOf = (strangers: number, overflows: number): Record<string, number> => ({
  ...(overflows > 0 ? { "datagram.overflow": overflows } : {}),
  ...(strangers > 0 ? { "source.stranger": strangers } : {}),
});

const membershipOf = ({ address, source, interfaceAddress }: NetworkInput): Membership => ({
  group: address,
  interfaceAddress,
  ...(source === undefined ? {} : { source }),
});

function joinOrClose(socket: { join(m: Membership): void; close(): void }, membership: Membership): void {
  try {
    socket.join(membership);
  } catch (error) {
    socket.close();
    throw error;
  }
}
