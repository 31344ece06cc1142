// Each bundle from its start to the end of --version (all its modules loaded) beside bare node: time and peak memory.
import { peakMemory, untilExit } from "./support/measure.mjs";

const TARGETS = ["settop", "headend", "router", "control"];

export async function run() {
  const bareTime = await untilExit(["-e", "0"]);
  const bareMemory = await peakMemory(["-e", "0"]);
  const figures = [];
  for (const target of TARGETS) {
    const args = [`dist/${target}.cjs`, "--version"];
    const against = "bare node";
    figures.push({ name: `start-up of ${target}`, unit: "ms", ours: await untilExit(args), against, theirs: bareTime });
    figures.push({
      name: `memory of ${target} after start-up`,
      unit: "MiB",
      ours: await peakMemory(args),
      against,
      theirs: bareMemory,
    });
  }
  return figures;
}
