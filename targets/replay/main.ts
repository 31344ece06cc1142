// sealcast-replay: captures through the router's own machines, without a network, or onto one.
import { randomInt } from "node:crypto";
import { systemClock } from "../../hal/clock/system.ts";
import { systemSenders } from "../../hal/frame-sender/open.ts";
import { runTool, type Tool } from "../shared/target.ts";
import { type IgmpOptions, percentOf, replayCommand, type Surroundings, seedOf, speedOf, timesOf } from "./command.ts";
import { type ReplayConfig, replayConfig } from "./config.ts";

const surroundings: Surroundings = {
  clock: systemClock,
  senders: systemSenders,
  seed: () => randomInt(2 ** 32),
  onInterrupt: (stop) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  },
};

async function igmp(path: string, options: IgmpOptions, { igmp: config }: ReplayConfig): Promise<void> {
  const { address, ...rest } = config;
  const replayOptions = address === undefined ? rest : { ...rest, address };
  process.exitCode = await replayCommand(path, options, replayOptions, surroundings);
}

const tool: Tool<ReplayConfig> = {
  name: "replay",
  summary: "Plays captures to the router's own machines and says what they make of them; plays them onto a wire",
  config: replayConfig,
  extend: (program, config) =>
    program
      .command("igmp")
      .argument("<capture>", "a pcap or pcapng file, compressed with gzip or not; - for standard input")
      .description(
        "timeline, tables and drop reasons of the IGMP in a capture, for each of its networks (docs/replay.md)",
      )
      .option("--json", "as JSON")
      .option("--speed <n>", "n times as fast as recorded, 1 as recorded (default: as fast as possible)", speedOf)
      .option("--expect <file>", "what the capture must show, a JSON file: 1 and each difference if it does not")
      .option("--send <interface>", "play the IGMP onto this wire too")
      .option("--all", "with --send: every packet, not IGMP alone")
      .option("--loss <percent>", "with --send: so many frames are lost", percentOf)
      .option("--reorder <percent>", "with --send: so many frames are overtaken by up to three others", percentOf)
      .option("--loop [times]", "with --send: play it so often, or until interrupted", timesOf)
      .option("--seed <n>", "with --send: the same seed loses the same frames", seedOf)
      .action((path: string, options: IgmpOptions) => igmp(path, options, config())),
};

void runTool(tool);
