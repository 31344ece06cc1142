// sealcast-control: broker, key server, reception server and store in one process (claims 4 to 7), and the operator's command line.
import { toHex } from "../../core/base/bytes.ts";
import { systemClock } from "../../hal/clock/system.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { offline } from "../reception/office.ts";
import { addOperatorCommands } from "../reception/operator.ts";
import { runTarget, type Target } from "../shared/target.ts";
import { type ControlConfig, controlConfig } from "./config.ts";
import { names, ownIdentity, primitives, startControl } from "./service.ts";

/** What the configurations of set-tops, headends and routers need to know of this server. */
function peers(config: ControlConfig): object {
  const keys = ownIdentity("keyserver", config.keyServer);
  const reception = ownIdentity("reception", config.reception);
  const noticeKey = keys.ed25519 === undefined ? "" : toHex(keys.ed25519.publicKey);
  return {
    keyServer: { id: keys.id, publicKey: toHex(keys.x25519.publicKey), noticeKey },
    reception: { id: reception.id, publicKey: toHex(reception.x25519.publicKey) },
  };
}

const target: Target<ControlConfig> = {
  name: "control",
  summary: "Broker, key server and reception server in one, and the operator's command line",
  config: controlConfig,
  start: startControl,
  extend(program, frame) {
    program
      .command("peers")
      .description(
        "ids and public keys of this server, for the configurations of set-tops, headends and routers (JSON)",
      )
      .action(() => void process.stdout.write(`${JSON.stringify(peers(frame.config()), undefined, 2)}\n`));
    addOperatorCommands(program, {
      primitives,
      entropy: systemEntropy,
      ask: (name, input) => frame.command(name, input),
      offline: (work) => {
        const config = frame.config();
        return offline(config.store, { clock: systemClock, entropy: systemEntropy, ...names(config) }, work);
      },
    });
  },
};

void runTarget(target);
