// Payload from the network: unicast or multicast, any-source or source-specific, through the datagram driver.
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { formatIpv4, isMulticast } from "../../core/base/ipv4.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Datagrams, Membership, ReceiveQueues } from "../../core/ports/datagrams.ts";
import type { Intake, Source, SourceListener } from "./source.ts";

/** Where a channel's payload comes in. */
export interface NetworkInput {
  /** Where it is sent to: a multicast group, which is joined, or one of our addresses, or 0.0.0.0. */
  readonly address: Ipv4;
  readonly port: number;
  /** Accept only this sender; with a group, join source-specifically. */
  readonly source?: Ipv4;
  readonly interfaceAddress: Ipv4;
}

/** What it takes of the machine. */
export interface NetworkPlatform {
  readonly datagrams: Datagrams;
  readonly queues: ReceiveQueues;
  readonly clock: Clock;
}

const RECEIVE_BUFFER = 4 * 1024 * 1024;

/** Rejects as Datagrams.open and throws HalError "datagram.membership". */
export async function openNetwork(
  input: NetworkInput,
  { datagrams, queues, clock }: NetworkPlatform,
  intake: Intake,
  listener: SourceListener,
): Promise<Source> {
  let taken = 0;
  let strangers = 0;
  const multicast = isMulticast(input.address);
  const before = queues.overflowed(input.address, input.port);
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
      drops: dropsOf(strangers, queues.overflowed(input.address, socket.port) - before),
    }),
  };
}

/** "source.stranger": from another sender. "source.queue-full": not read in time, the machine is too slow for the stream. */
const dropsOf = (strangers: number, overflowed: number): Record<string, number> => ({
  ...(overflowed > 0 ? { "source.queue-full": overflowed } : {}),
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
