// How fast a target ends. Apart from the process itself: this needs what tsc has built, and the demo has not.
import { UnhinderedTime } from "../../build/targets/shared/processor-wait.testkit.js";

/**
 * Ends it and says how, and in how many milliseconds without those in the queue for a processor.
 * @param {import("./bundle.mjs").TargetProcess} target
 */
export async function stopTimed(target) {
  const time = new UnhinderedTime(target.process.pid);
  const { how } = await target.stop();
  return { how, took: time.stop() };
}
