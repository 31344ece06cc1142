// `status` for a person: one line a channel, what is wrong below it.

/** What the headend's status says of one channel. */
export interface ChannelLine {
  readonly channel: string;
  readonly epoch?: number;
  readonly next?: number;
  readonly switchIn?: number;
  /** Alarms that are raised. */
  readonly raised: readonly string[];
  readonly output: {
    readonly packets: number;
    readonly octets: number;
    readonly drops: Record<string, number>;
    /** Why packets cannot be sent. */
    readonly fault?: string;
  };
  readonly source: { readonly input?: string; readonly fault?: string; readonly drops?: Record<string, number> };
}

interface Status {
  readonly id: string;
  readonly state?: string;
  readonly broker: string;
  readonly brokerFault?: string;
  readonly uptime: number;
  readonly channels: readonly ChannelLine[];
}

/** The status object of a running headend, as lines. */
export function statusText(status: unknown): string {
  const { id, state, broker, brokerFault, uptime, channels } = status as Status;
  return [
    `headend ${id}: ${state === undefined || state === "running" ? "" : `${state}, `}up ${uptime} s, broker ${broker}${brokerFault === undefined ? "" : ` (${brokerFault})`}`,
    ...channels.flatMap(linesOf),
  ].join("\n");
}

function linesOf(channel: ChannelLine): readonly string[] {
  const { packets, octets, drops, fault: cannotSend } = channel.output;
  const { input, fault } = channel.source;
  const lines = [
    `  ${channel.channel.padEnd(16)} epoch ${channel.epoch ?? "none yet"}${nextOf(channel)}, ${packets} packets (${Math.round(octets / 1024)} KiB) from ${input ?? "nowhere"}`,
  ];
  for (const alarm of channel.raised) lines.push(`    alarm: ${alarm}`);
  if (cannotSend !== undefined) lines.push(`    output: ${cannotSend}`);
  if (fault !== undefined) lines.push(`    input: ${fault}`);
  for (const [drop, count] of Object.entries({ ...channel.source.drops, ...drops }))
    lines.push(`    dropped ${count}: ${drop}`);
  return lines;
}

function nextOf({ next, switchIn }: ChannelLine): string {
  if (next === undefined) return "";
  return switchIn === undefined ? ` (${next} not acknowledged)` : ` (${next} in ${(switchIn / 1000).toFixed(1)} s)`;
}
