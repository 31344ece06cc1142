// Test support: a socket's set-up made slow, while another interface is flooded. For the drivers that must not mistake the flood.
import { type ChildProcess, spawn } from "node:child_process";
import { toHex } from "../core/base/bytes.ts";

/** rt0 is under test; what is put on rt3 comes in on rt2. */
export const TWO_CABLES = [
  "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv6.conf.all.disable_ipv6=1",
  ...["rt0 rt1 10.22.0.1/24", "rt2 rt3 10.0.0.22/24"].flatMap((cable) => {
    const [near, far, own] = cable.split(" ");
    return [
      `ip link add ${near} type veth peer name ${far}`,
      `ip addr add ${own} dev ${near}`,
      `ip link set ${near} up`,
      `ip link set ${far} up`,
    ];
  }),
];
export const PROGRAMS = ["strace"];

/** The command that runs another with 30 ms before each of `calls` ("setsockopt"); its own output is thrown away. */
export function slowly(calls: string): readonly [string, ...string[]] {
  const inject = `inject=${calls}:delay_enter=30000`;
  return ["strace", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${calls}`, "-e", inject];
}

/** A process whose standard input holds it, and whose standard output is read by `linesOf`. */
export function start(t: { after(end: () => void): void }, [command = "", ...rest]: readonly string[]): ChildProcess {
  const child = spawn(command, rest, { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.stdin?.end());
  return child;
}

/** Puts whole IPv4 packets on the link of `device`, five a millisecond in turn, until the test ends; resolves when it has begun. */
export async function flood(
  t: { after(end: () => void): void },
  device: string,
  packets: readonly Uint8Array[],
): Promise<void> {
  const command = [process.execPath, "hal/igmp/lab-flood.testkit.cjs", device, ...packets.map(toHex)];
  const { value } = await linesOf(start(t, command)).next();
  if (value !== "flooding") throw new Error(`no flood on ${device}: ${value}`);
}

/** The lines of a process, each given once. */
export async function* linesOf({ stdout }: ChildProcess): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of stdout ?? []) {
    const lines = (rest + String(text)).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
