// The router's own commands: `status --why`, `top`, `metrics` and `stop`, all of which ask the running process.
import type { Command } from "commander";
import { printable } from "../../core/base/printable.ts";
import { wholeNumber } from "../shared/arguments.ts";
import { EXIT } from "../shared/exit.ts";
import { writeOut } from "../shared/standard-output.ts";
import { type Frame, jsonText, type StatusQuestion } from "../shared/target.ts";
import type { RouterConfig } from "./config.ts";
import type { Sample } from "./sample.ts";
import { stopRouter } from "./stop.ts";
import { wrapped } from "./text-table.ts";
import { SORTS, type Sort, topLines } from "./top.ts";
import type { WhyAnswer } from "./why-words.ts";

type RouterFrame = Frame<RouterConfig>;

/** Between two looks of `top`, in ms. */
const LOOK = 1000;

/** A serial console says 0 by 0; a file says nothing. */
const sizeOr = (told: number | undefined, usual: number): number => (told === undefined || told === 0 ? usual : told);

/** Characters of a line on standard output. */
export const screenWidth = (): number => sizeOr(process.stdout.columns, 120);

/** `status --why GROUP HOST`. */
export const whyQuestion: StatusQuestion<RouterConfig> = {
  flags: "--why <group host...>",
  description:
    "why the host (IPv4 address, MAC or bridge port) does, or does not, get the group; exit code 1 when it does not",
  async ask([group, host, ...more], json, frame) {
    if (group === undefined || host === undefined || more.length > 0) {
      process.stderr.write("sealcast-router: --why takes a group and a host\n");
      process.exitCode = EXIT.usage;
      return;
    }
    const answer = (await asked(frame, "why", { group, host })) as WhyAnswer;
    const text = json ? jsonText(answer) : whyText(answer, screenWidth());
    await writeOut(`${text}\n`);
    process.exitCode = answer.delivered ? EXIT.ok : EXIT.mismatch;
  },
};

function whyText({ verdict, sentences }: WhyAnswer, width: number): string {
  const [first = "", ...evidence] = sentences;
  return [
    ...wrapped(`${verdict}: ${first}`, width, "  "),
    ...evidence.flatMap((one) => wrapped(`  ${one}`, width, "    ")),
  ].join("\n");
}

/** The answer of the running process; ends this one with 69 when none runs. */
async function asked(frame: RouterFrame, name: string, input: object): Promise<unknown> {
  const got = await frame.command(name, input);
  if (got !== undefined) return got.answer;
  process.stderr.write(`sealcast-router is not running (nobody listens on ${printable(frame.whereabouts().socket)})\n`);
  process.exit(EXIT.unavailable);
}

/** Adds `stop`, `top` and `metrics`. */
export function addRouterCommands(program: Command, frame: RouterFrame): void {
  program
    .command("stop")
    .description(
      "end the router, its streams and its groups upstream, and what one left that handed over or was killed",
    )
    .action(async () => {
      await writeOut(`${await stopRouter(frame)}\n`);
    });
  program
    .command("metrics")
    .description("the running router's counters, in the text format of Prometheus")
    .action(async () => {
      const { text } = (await asked(frame, "metrics", {})) as { readonly text: string };
      await writeOut(text);
    });
  program
    .command("top")
    .description("what each group and interface does now, every second; keys: q ends, p k v z g sort")
    .option("-n, --count <n>", "end after so many looks", wholeNumber)
    .action(({ count }: { readonly count?: number }) => top(frame, count ?? Number.POSITIVE_INFINITY));
}

async function top(frame: RouterFrame, count: number): Promise<void> {
  const screen = process.stdout.isTTY ? terminal() : paper();
  try {
    let before = (await asked(frame, "sample", {})) as Sample;
    for (let looks = 0; looks < count && !screen.ended; looks++) {
      await screen.pause(LOOK);
      if (screen.ended) return;
      const after = (await asked(frame, "sample", {})) as Sample;
      // Another process runs meanwhile: its counts are not to be compared.
      if (after.at >= before.at && !(await screen.show(before, after))) return;
      before = after;
    }
  } finally {
    screen.close();
  }
}

/** Where `top` shows. */
interface Screen {
  readonly ended: boolean;
  /** Ends early when somebody presses a key. */
  pause(ms: number): Promise<void>;
  /** False when the reader has gone. */
  show(before: Sample, after: Sample): Promise<boolean>;
  close(): void;
}

/** A file or a pipe: one block of lines after the other. */
const paper = (): Screen => ({
  ended: false,
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  show: (before, after) => {
    const lines = topLines(before, after, { sort: "packets", width: 120, height: Number.POSITIVE_INFINITY });
    return writeOut(`${new Date().toISOString()} ${lines.join("\n")}\n\n`);
  },
  close() {},
});

/** Home, and all below is erased: what stood there does not flicker as with a cleared screen. */
const HOME = "\u001b[H";
const ERASE_LINE = "\u001b[K";
const ERASE_BELOW = "\u001b[J";
const ALTERNATE = "\u001b[?1049h\u001b[?25l";
const NORMAL = "\u001b[?25h\u001b[?1049l";

function terminal(): Screen {
  let sort: Sort = "packets";
  let ended = false;
  let wake = (): void => {};
  const pressed = (key: string): void => {
    if (key === "q" || key === "\u0003") ended = true;
    else if (isSortKey(key)) sort = SORTS[key];
    wake();
  };
  const { stdin, stdout } = process;
  const hears = stdin.isTTY;
  if (hears) stdin.setRawMode(true).setEncoding("utf8").on("data", pressed);
  process.once("SIGINT", () => pressed("q"));
  process.once("SIGTERM", () => pressed("q"));
  stdout.write(ALTERNATE);
  return {
    get ended() {
      return ended;
    },
    pause: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => wake(), ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    show(before, after) {
      const lines = topLines(before, after, { sort, width: screenWidth(), height: sizeOr(stdout.rows, 24) });
      return writeOut(`${HOME}${lines.map((line) => `${line}${ERASE_LINE}\n`).join("")}${ERASE_BELOW}`);
    },
    close() {
      stdout.write(NORMAL);
      if (hears) stdin.setRawMode(false).off("data", pressed).pause();
    },
  };
}

const isSortKey = (key: string): key is keyof typeof SORTS => Object.hasOwn(SORTS, key);
