// Each bundle from its start to the end of --version (all its modules loaded) beside bare node: time and peak memory.
import { peakMemory, timesInTurn } from "./support/measure.mjs";

const TARGETS = ["settop", "headend", "router", "control"];
const BARE = ["-e", "0"];
const against = "bare node";

export async function run() {
  const bareMemory = await peakMemory(BARE);
  const figures = [];
  for (const target of TARGETS) {
    const args = [`dist/${target}.cjs`, "--version"];
    const [ours, theirs] = await timesInTurn(args, BARE);
    figures.push({ name: `start-up of ${target}`, unit: "ms", ours, against, theirs });
    const memory = await peakMemory(args);
    figures.push({
      name: `memory of ${target} after start-up`,
      unit: "MiB",
      ours: memory,
      against,
      theirs: bareMemory,
    });
  }
  return figures;
}
