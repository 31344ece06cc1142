// Mosquitto as the external broker, on a port and with a configuration of our own; Debian's service is not touched.
import { writeFileSync } from "node:fs";

/**
 * @param {import("./run.mjs").Run} run
 * @param {import("./process.mjs").Place} place
 * @param {{ address: string, port: number, extra?: string[] }} where
 */
export async function startMosquitto(run, place, { address, port, extra = ["allow_anonymous true"] }) {
  const file = run.path("mosquitto.conf");
  const lines = [
    `listener ${port} ${address}`,
    "set_tcp_nodelay true",
    "user root",
    "persistence false",
    "log_dest stderr",
    ...extra,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const broker = run.start("mosquitto", { place, program: "mosquitto", args: ["-c", file, "-v"] });
  await broker.line(/mosquitto version .* running/);
  return broker;
}
