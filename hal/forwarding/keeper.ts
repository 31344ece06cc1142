// Multicast routing outlives its process: a small child holds the routing socket too, so that the kernel forwards on when we are killed,
// and gives it up when nobody has taken it over in time. Then the kernel cleans up by itself.
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { doubled } from "../../core/base/backoff.ts";
import { type Duration, seconds } from "../../core/base/time.ts";

/** The keeper's descriptor of the routing socket. */
export const KEPT_DESCRIPTOR = 3;

/** Its name in `ps`, by which a successor finds it. */
const MARKER = "sealcast-router-keeper";

/** The line by which a parent that hands over says that more follows. */
const FAREWELL = "farewell";

/**
 * Its standard input ends with its parent, however that dies. The subshell that sleeps holds nothing: a shell whose last command is
 * `sleep` would become it, and close the socket at once. What runs in the end reads what follows the first line, and is known by its
 * last argument.
 */
const SCRIPT = [
  `read -r end; (exec sleep "$1" ${KEPT_DESCRIPTOR}>&-)`,
  `[ "$end" = ${FAREWELL} ] || exit 0`,
  `shift 2; exec "$@" "$0" ${KEPT_DESCRIPTOR}>&-`,
].join("\n");

/** `sh -c SCRIPT name seconds router command...`: where these are. */
const [NAME, ROUTER] = [3, 5];

/** Between the end of a keeper that somebody else ended, and the next. */
const AGAIN = { first: seconds(1), last: seconds(60) };

/** How long routing goes on without a router, and what ends it. */
export interface KeeperOptions {
  readonly span: Duration;
  /** The command that `leave` gives its text to, on standard input, when the span is over. */
  readonly farewell: readonly string[];
}

/** Holds a routing socket from its construction to `end`, for the span longer than this process lives. */
export class Keeper {
  readonly #descriptor: number;
  readonly #options: KeeperOptions;
  readonly #failed: (why: string) => void;
  #child: ChildProcess | undefined;
  #losses = 0;
  #left = false;
  #again: NodeJS.Timeout | undefined;

  /** @param failed is told when there is none, each time; it is tried again. */
  constructor(descriptor: number, options: KeeperOptions, failed: (why: string) => void) {
    this.#descriptor = descriptor;
    this.#options = options;
    this.#failed = failed;
    this.#start();
  }

  /** Counts the span from now on; `farewell` is one line. False where there is no keeper at the moment. */
  leave(farewell: () => string): boolean {
    const input = this.#child?.stdin;
    if (input?.writable !== true) return false;
    this.#left = true;
    input.write(`${FAREWELL}\n${farewell()}\n`);
    return true;
  }

  end(): void {
    clearTimeout(this.#again);
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid !== undefined) endGroup(child.pid);
  }

  #start(): void {
    const { span, farewell } = this.#options;
    const child = spawn("sh", ["-c", SCRIPT, MARKER, String(span / 1000), String(process.pid), ...farewell], {
      stdio: ["pipe", "ignore", "ignore", this.#descriptor],
      // A session of its own: what ends our process group (Ctrl-C, a closed terminal) leaves it, and one signal ends it with its sleep.
      detached: true,
      cwd: "/",
    });
    child.on("error", ({ message }) => this.#lost(child, message));
    child.on("exit", (code, signal) => this.#lost(child, `it ended by ${signal ?? `itself, with code ${code}`}`));
    // It may end before it has read; its exit tells.
    child.stdin?.on("error", () => {});
    // Nothing waits for it.
    child.unref();
    this.#child = child;
  }

  #lost(child: ChildProcess, why: string): void {
    if (this.#child !== child || this.#left) return;
    this.#child = undefined;
    this.#failed(why);
    const wait = doubled(AGAIN.first, this.#losses++, AGAIN.last);
    this.#again = setTimeout(() => this.#start(), wait).unref();
  }
}

/** A keeper of this network namespace, or the farewell that it has become. */
export interface FoundKeeper {
  readonly pid: number;
  /** The router that it belongs to, alive; undefined when that is dead. */
  readonly router: number | undefined;
}

/** Every keeper of our network namespace. */
export function findKeepers(): readonly FoundKeeper[] {
  const ours = linkOf("/proc/self/ns/net");
  return processes()
    .filter((pid) => linkOf(`/proc/${pid}/ns/net`) === ours && isKeeper(pid))
    .map((pid) => ({ pid, router: routerOf(pid) }));
}

/** While a process becomes another program it has no arguments (execve(2)); longer than this none takes, in ms. */
const BECOMING = 200;

function argumentsOf(pid: number): readonly string[] {
  for (let waited = 0; ; waited++) {
    const text = read(`/proc/${pid}/cmdline`);
    if (text !== "" || waited === BECOMING || !isBecoming(pid)) return text.split("\0");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

/** A thread of the kernel has no program either. */
const isBecoming = (pid: number): boolean => !hasEnded(pid) && isRunning(pid);
/** The shell itself: its subshell looks the same for a moment, until it has become `sleep`. */
const isKeeper = (pid: number): boolean => isMarked(pid) && !isMarked(parentOf(pid));
/** What ends with a zero has nothing behind it. */
const isMarked = (pid: number): boolean => [argumentsOf(pid)[NAME], argumentsOf(pid).at(-2)].includes(MARKER);
const parentOf = (pid: number): number => Number(/^PPid:\s*(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);

/**
 * The parent, unless that is who took the keeper in when the router had died: neither the process that it was started by, nor, where
 * numbers of another process namespace say nothing, one that holds the same socket.
 */
function routerOf(keeper: number): number | undefined {
  const parent = parentOf(keeper);
  const kept = linkOf(`/proc/${keeper}/fd/${KEPT_DESCRIPTOR}`);
  const isRouter =
    argumentsOf(keeper)[ROUTER] === String(parent) || (kept?.startsWith("socket:") === true && holds(parent, kept));
  return isRouter ? parent : undefined;
}

/** Ends it and what it started; the socket may live for some milliseconds more. */
export function endKeeper({ pid }: FoundKeeper): void {
  endGroup(pid);
}

/**
 * Its span is over: what it would do then it does now. To be called until it has ended, for one that has just lost its router does not
 * count yet.
 */
export function hurryKeeper({ pid }: FoundKeeper): void {
  if (!isKeeper(pid)) return;
  for (const child of processes()) if (parentOf(child) === pid && argumentsOf(child)[0] === "sleep") end(child);
}

/** Whether there is no such process, or only what its parent has not yet asked for. */
export const hasEnded = (pid: number): boolean => !/^State:\s+[^\sZX]/m.test(read(`/proc/${pid}/status`));

const endGroup = (leader: number): void => end(-leader);

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // ESRCH: it has ended already.
  }
}

/** A process that has a raw IGMP socket, as every program that routes multicast must. */
export interface IgmpProgram {
  readonly pid: number;
  readonly name: string;
}

/** Who in our network namespace, ourselves among them, may hold multicast routing, as far as we may see it. */
export function findIgmpPrograms(): readonly IgmpProgram[] {
  const sockets = new Set(igmpSockets(read("/proc/net/raw")).map((inode) => `socket:[${inode}]`));
  return processes()
    .filter((pid) => isRunning(pid) && descriptorsOf(pid).some((link) => sockets.has(link)))
    .map((pid) => ({ pid, name: read(`/proc/${pid}/comm`).trim() }));
}

/** Of one that ends the program goes first, its descriptors after it, and what they were at last. */
const isRunning = (pid: number): boolean => linkOf(`/proc/${pid}/exe`) !== undefined;

const RAW_IGMP = /^ *\d+: [0-9A-F]{8}:0002 .{8}:.{4} .. .{8}:.{8} .{2}:.{8} .{8} +\d+ +\d+ (\d+) /gm;

/** The inodes of the IGMP sockets in /proc/net/raw, where the local port is the protocol. */
export const igmpSockets = (table: string): readonly number[] =>
  [...table.matchAll(RAW_IGMP)].map(([, inode]) => Number(inode));

const holds = (pid: number, link: string): boolean => descriptorsOf(pid).includes(link);

const descriptorsOf = (pid: number): readonly string[] =>
  namesIn(`/proc/${pid}/fd`).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`) ?? []);

const processes = (): readonly number[] => namesIn("/proc").map(Number).filter(Number.isInteger);

// A process may end, or be none of ours, at every step.
const namesIn = (folder: string): readonly string[] => tried(() => readdirSync(folder)) ?? [];
const linkOf = (path: string): string | undefined => tried(() => readlinkSync(path));
const read = (path: string): string => tried(() => readFileSync(path, "latin1")) ?? "";

function tried<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
