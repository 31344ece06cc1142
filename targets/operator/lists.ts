// The lists of the operator's command line: whole or with an error, as a table or as a JSON array, filtered and summed up.
import { type Command, InvalidArgumentError } from "commander";
import { timeOf, wholeNumber } from "../shared/arguments.ts";
import { writeOut } from "../shared/standard-output.ts";
import type { OperatorCommands } from "./commands.ts";
import { COLUMNS, type ListCommand, type Listed } from "./listing.ts";
import { jsonLines, tableLines } from "./table.ts";
import { durationText, TOTALLED, type Totalled, Totals } from "./usage.ts";

/** Where the rows of a list come from. */
export interface ListSource {
  /** The rows of the running process; undefined when none runs. */
  rows(name: ListCommand, input: unknown): Promise<AsyncIterable<Listed> | undefined>;
  /** The same commands on the store itself, for as long as `work` takes. Rejects with HalError "store.missing". */
  offline<T>(work: (commands: OperatorCommands) => Promise<T>): Promise<T>;
}

/** Characters that are written at once. */
const PART = 64 * 1024;

type Rows = AsyncIterable<Listed>;

interface Shown {
  readonly json?: boolean;
}

async function withRows<T>(
  access: ListSource,
  name: ListCommand,
  input: object,
  work: (rows: Rows) => Promise<T>,
): Promise<T> {
  const online = await access.rows(name, input);
  return online === undefined ? access.offline((commands) => work(commands[name](input))) : work(online);
}

/** False when the reader went away before the end. */
async function printLines(lines: AsyncIterable<string>): Promise<boolean> {
  let text = "";
  for await (const line of lines) {
    text += `${line}\n`;
    if (text.length < PART) continue;
    if (!(await writeOut(text))) return false;
    text = "";
  }
  return writeOut(text);
}

const printRows = (rows: Rows, columns: readonly string[], { json }: Shown): Promise<boolean> =>
  printLines(json === true ? jsonLines(rows) : tableLines(rows, columns));

/** A command that lists. */
export function addList(parent: Command, access: ListSource, words: string, name: ListCommand, about: string): Command {
  return parent
    .command(words)
    .description(about)
    .option("--json", "as JSON")
    .action(async ({ json, ...input }: Shown) => {
      await withRows(access, name, input, (rows) => printRows(rows, COLUMNS[name], json === true ? { json } : {}));
    });
}

const addFilters = (command: Command): Command =>
  command
    .option("--subscriber <id>", "only this one's")
    .option("--device <id>", "only this one's")
    .option("--channel <id>", "only of this one");

function addEvidence(program: Command, access: ListSource): void {
  const evidence = program.command("evidence").description("what the routers saw, and what it says");
  addList(
    evidence,
    access,
    "check",
    "evidence.check",
    "where keys and memberships disagree: keyed but not joined, joined but not keyed",
  )
    .option("--grace <seconds>", "only what has lasted so long (default: 60)", wholeNumber)
    .addHelpText(
      "after",
      "\n`shared`: an IGMPv1 or v2 host is in the group; others behind it may be silent, and it may be one of several.",
    );
  addList(
    evidence,
    access,
    "counts",
    "evidence.counts",
    "what routers told as numbers: refused joins, and what had to be summed up",
  );
  addList(
    evidence,
    access,
    "zaps",
    "evidence.zaps",
    "how often each host leaves one group and joins another within 5 seconds",
  ).option("--since <time>", "only of memberships that lasted until here or later (ISO 8601)", timeOf);
  addList(
    evidence,
    access,
    "routers",
    "evidence.routers",
    "each router's last report, and the changes that it lost or gave as a number only",
  );
}

/** Adds the commands that list what is on record: receptions, usage, denials, epochs, memberships and other evidence. */
export function addRecords(program: Command, access: ListSource): void {
  addFilters(addList(program, access, "receptions", "receptions", "who receives what, since when"));
  addFilters(program.command("usage"))
    .description("usage records: what was received, from when until when, and why it ended")
    .option("--since <time>", "only what was received from here on (ISO 8601)", timeOf)
    .option("--until <time>", "only what was received before (ISO 8601)", timeOf)
    .option("--totals [by]", `only sums: one, or one for each ${TOTALLED.join(", ")} (or several: a,b)`, totalledOf)
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nEvery record that overlaps the period is there with its own start and end; billedSeconds are those within the period.",
    )
    .action((options: UsageOptions) => usage(access, options));
  addList(
    program,
    access,
    "denials",
    "denials",
    "who was refused since the server's start, and why: the newest 256 requests, 1,024 clients of the broker",
  );
  addList(program, access, "memberships", "memberships", "what the routers saw, held against the receptions");
  addEvidence(program, access);
  addList(program, access, "epochs", "epochs", "keys that are kept, without the keys");
}

interface UsageOptions extends Shown {
  readonly since?: number;
  readonly until?: number;
  readonly subscriber?: string;
  readonly device?: string;
  readonly channel?: string;
  readonly totals?: readonly Totalled[] | true;
}

async function usage(access: ListSource, { json, totals, ...asked }: UsageOptions): Promise<void> {
  const shown = json === true ? { json } : {};
  const running = await countRunning(access, asked);
  const isWhole = await withRows(access, "usage", asked, (rows) =>
    totals === undefined ? printRecords(rows, shown) : printTotals(rows, totals === true ? [] : totals, shown),
  );
  if (!isWhole || running === 0) return;
  const what = running === 1 ? "1 reception runs" : `${running} receptions run`;
  process.stderr.write(`${what} still, in this period too, and will be on record when ended (see \`receptions\`)\n`);
}

async function printRecords(rows: Rows, shown: Shown): Promise<boolean> {
  const totals = new Totals([]);
  const isWhole = await printRows(counted(rows, totals), COLUMNS.usage, shown);
  if (!isWhole || shown.json === true) return isWhole;
  const [{ records = 0, billedSeconds = 0 } = {}] = totals.rows();
  return writeOut(
    `\ntotal: ${records} ${records === 1 ? "record" : "records"}, ${durationText(Number(billedSeconds))}\n`,
  );
}

async function* counted(rows: Rows, totals: Totals): AsyncGenerator<Listed> {
  for await (const row of rows) {
    totals.add(row);
    yield row;
  }
}

async function printTotals(rows: Rows, by: readonly Totalled[], shown: Shown): Promise<boolean> {
  const totals = new Totals(by);
  for await (const row of rows) totals.add(row);
  return printRows(each(totals.rows()), [...by, "records", "billedSeconds"], shown);
}

async function* each(rows: Iterable<Listed>): AsyncGenerator<Listed> {
  yield* rows;
}

/** Looked at before the records: what ends in between is counted twice rather than not at all. */
function countRunning(
  access: ListSource,
  { since: _, until, ...filters }: Omit<UsageOptions, "totals">,
): Promise<number> {
  return withRows(access, "receptions", filters, async (rows) => {
    let count = 0;
    for await (const row of rows) if (until === undefined || Date.parse(String(row.since)) < until) count += 1;
    return count;
  });
}

function totalledOf(text: string): readonly Totalled[] {
  const names = text.split(",");
  const isTotalled = (name: string): name is Totalled => (TOTALLED as readonly string[]).includes(name);
  if (names.every(isTotalled)) return names as Totalled[];
  throw new InvalidArgumentError(`It must be of ${TOTALLED.join(", ")}.`);
}
