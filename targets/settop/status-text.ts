// The person's form of `status`: one line a channel, and why it is dark.

interface Shown {
  readonly state?: string;
  readonly broker?: string;
  readonly brokerFault?: string;
  readonly journal?: string;
  readonly channels?: readonly {
    readonly channel?: string;
    readonly received?: number;
    readonly lost?: number;
    readonly duplicated?: number;
    readonly undecryptable?: number;
    readonly lastEpoch?: number;
    readonly zapMs?: number;
    readonly viewing?: { readonly verdict?: { readonly kind?: string } };
    readonly drops?: Readonly<Record<string, number>>;
    readonly output?: { readonly drops?: Readonly<Record<string, number>> };
    readonly dark?: { readonly reason: string; readonly text: string };
  }[];
  readonly refresh?: Readonly<Record<string, { readonly state?: string; readonly why?: string }>>;
  readonly pendingStops?: readonly { readonly channel?: string; readonly attempts?: number }[];
}

const word = (value: unknown): string => (value === undefined ? "-" : String(value));

/** `status` is what the process answered; fields that are missing show as "-". */
export function statusText(status: unknown): string {
  const { state, broker, brokerFault, journal, channels = [], pendingStops = [], refresh = {} } = status as Shown;
  const lines = [
    `broker ${word(broker)}${brokerFault === undefined ? "" : ` (${brokerFault})`}, journal ${word(journal)}`,
  ];
  if (state !== undefined && state !== "running") lines.push(state);
  if (channels.length === 0) lines.push("tuned to nothing");
  for (const shown of channels) {
    const { channel, received, lost, duplicated, undecryptable, lastEpoch, zapMs, viewing, dark } = shown;
    const counts = `received ${word(received)} lost ${word(lost)} duplicated ${word(duplicated)} undecryptable ${word(undecryptable)}`;
    const unmanaged = viewing?.verdict?.kind === "unmanaged" ? "unmanaged, " : "";
    const picture = dark === undefined ? "picture" : `no picture: ${dark.reason} (${dark.text})`;
    lines.push(
      `${word(channel)}: ${unmanaged}${picture}; epoch ${word(lastEpoch)}, first picture after ${word(zapMs)} ms, ${counts}`,
    );
    lines.push(...dropLines(shown));
  }
  for (const [address, { state, why }] of Object.entries(refresh))
    if (state === "cannot") lines.push(`memberships on ${address} are not refreshed where nobody asks: ${word(why)}`);
  for (const { channel, attempts } of pendingStops)
    lines.push(`stop of ${word(channel)} is not acknowledged yet (sent ${word(attempts)} times)`);
  return lines.join("\n");
}

type ShownChannel = NonNullable<Shown["channels"]>[number];

/** What never reached the player, and is in none of the counts of the stream. */
function dropLines({ drops = {}, output }: ShownChannel): readonly string[] {
  const overflowed = drops["datagram.overflow"];
  const unread = overflowed === undefined ? [] : [`  ${overflowed} not read in time: datagram.overflow`];
  const undelivered = Object.entries(output?.drops ?? {}).map(([drop, count]) => `  ${count} not delivered: ${drop}`);
  return [...unread, ...undelivered];
}
