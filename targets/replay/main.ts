// sealcast-replay: captures through the router's own machines, without a network.
import { readFileSync } from "node:fs";
import { replayIgmp } from "../../core/capture/replay.ts";
import { EXIT } from "../shared/exit.ts";
import { type Frame, runTarget, type Target } from "../shared/target.ts";
import { type ReplayConfig, replayConfig } from "./config.ts";
import { replayJson, replayText } from "./report.ts";

/** The whole file; ends the process with 66 when there is none to read. */
function readInput(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    process.stderr.write(`sealcast-replay: cannot read ${path}: ${error instanceof Error ? error.message : error}\n`);
    process.exit(EXIT.noInput);
  }
}

function replay(path: string, json: boolean, { igmp }: ReplayConfig): void {
  const { address, ...options } = igmp;
  const replayed = replayIgmp(readInput(path), address === undefined ? options : { ...options, address });
  process.stdout.write(`${json ? JSON.stringify(replayJson(replayed), undefined, 2) : replayText(replayed)}\n`);
  if (replayed.fault === undefined) return;
  process.stderr.write(`sealcast-replay: ${path}: ${replayed.fault}\n`);
  process.exitCode = EXIT.data;
}

const target: Target<ReplayConfig> = {
  name: "replay",
  summary: "Plays captures to the router's own machines and says what they make of them",
  config: replayConfig,
  async start() {
    process.stderr.write("sealcast-replay: which capture? sealcast-replay igmp CAPTURE [--json]\n");
    process.exit(EXIT.usage);
  },
  extend(program, frame: Frame<ReplayConfig>) {
    program
      .command("igmp")
      .argument("<capture>", "a pcap or pcapng file")
      .description(
        "membership timeline, tables and drop reasons of the IGMP in a capture; 65 if it cannot be read whole",
      )
      .option("--json", "as JSON")
      .action((path: string, options: { json?: boolean }) => replay(path, options.json ?? false, frame.config()));
  },
};

void runTarget(target);
