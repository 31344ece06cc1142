// The demo's picture of the system: a table redrawn on a terminal, one line every few seconds elsewhere.

/**
 * @typedef {{ id: string, group: string, epoch: number | undefined, packets: number }} ChannelRow
 * @typedef {{ id: string, state: string, received: number, lost: number, zapMs: number | undefined, epoch: number | undefined, identical: boolean }} SettopRow
 * @typedef {{ seconds: number, channels: ChannelRow[], settops: SettopRow[], receptions: { live: number, closed: number }, denied: number, news: string[] }} Picture
 */

/**
 * @param {import("../../targets/headend/status-text.ts").ChannelLine} status what the headend says of it
 * @param {string} group
 * @returns {ChannelRow}
 */
export const channelRow = ({ channel, epoch, output }, group) => ({
  id: channel,
  group,
  epoch,
  packets: output.packets,
});

const COLUMNS = /** @type {const} */ ([
  ["set-top", 12],
  ["state", 34],
  ["packets", 9],
  ["lost", 6],
  ["epoch", 7],
  ["picture after", 14],
  ["output", 10],
]);

const dash = (/** @type {unknown} */ value) => (value === undefined || value === null ? "-" : String(value));
/** One line; a cell that is too wide is cut, so that a column stays a column. @param {readonly string[]} cells */
const row = (cells) =>
  COLUMNS.map(([, width], index) => (cells[index] ?? "").slice(0, width - 1).padEnd(width)).join("");

/** @param {SettopRow} settop */
function settopCells({ id, state, received, lost, epoch, zapMs, identical }) {
  const output = received === 0 ? "-" : identical ? "identical" : "DIFFERS";
  return [id, state, String(received), String(lost), dash(epoch), zapMs === undefined ? "-" : `${zapMs} ms`, output];
}

/**
 * @param {Picture} picture
 * @returns {string[]}
 */
export function tableLines({ seconds, channels, settops, receptions, denied, news }) {
  return [
    `sealcast, ${seconds.toFixed(0)} s`,
    ...channels.map(
      ({ id, group, epoch, packets }) => `channel ${id} on ${group}: epoch ${dash(epoch)}, ${packets} packets sent`,
    ),
    `receptions: ${receptions.live} live, ${receptions.closed} closed; requests denied: ${denied}`,
    "",
    row(COLUMNS.map(([name]) => name)),
    ...settops.map((settop) => row(settopCells(settop))),
    "",
    ...news,
  ];
}

/** @param {Picture} picture */
function plainLine({ seconds, channels, settops, receptions, denied }) {
  const epochs = channels.map(({ id, epoch }) => `${id} epoch ${dash(epoch)}`).join(", ");
  const boxes = settops.map(({ id, received, lost, identical }) =>
    received === 0
      ? `${id} nothing`
      : `${id} ${received}${lost > 0 ? ` (${lost} lost)` : ""}${identical ? "" : " DIFFERS"}`,
  );
  return `${seconds.toFixed(0)} s: ${epochs}; ${boxes.join(", ")}; ${receptions.live} live, ${receptions.closed} closed, ${denied} denied`;
}

/** Draws on `output`; `note` tells an event. */
export class Screen {
  #output;
  #drawn = 0;
  #lastLine = Number.NEGATIVE_INFINITY;
  /** @type {string[]} */
  #news = [];

  /** @param {{ isTTY: boolean, columns?: number, write(text: string): unknown }} output */
  constructor(output) {
    this.#output = output;
  }

  /** @param {string} text */
  note(text) {
    this.#news = [...this.#news, text].slice(-6);
    if (!this.#output.isTTY) this.#output.write(`demo: ${text}\n`);
  }

  /** @param {Omit<Picture, "news">} picture */
  draw(picture) {
    if (this.#output.isTTY) this.#redraw(tableLines({ ...picture, news: this.#news }));
    else if (picture.seconds - this.#lastLine >= 2) {
      this.#lastLine = picture.seconds;
      this.#output.write(`demo: ${plainLine({ ...picture, news: [] })}\n`);
    }
  }

  /** @param {string[]} lines */
  #redraw(lines) {
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : "";
    const width = Math.max(20, (this.#output.columns || 100) - 1);
    this.#output.write(`${up}\x1b[J${lines.map((line) => line.slice(0, width)).join("\n")}\n`);
    this.#drawn = lines.length;
  }
}
