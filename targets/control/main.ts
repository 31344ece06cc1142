// sealcast-control: broker, key server, reception server and store in one process (claims 4 to 7), and the operator's command line.
import { Argument } from "commander";
import { toHex } from "../../core/base/bytes.ts";
import { extendForOperator } from "../operator/target.ts";
import { runTarget, type Target } from "../shared/target.ts";
import { type ControlConfig, controlConfig } from "./config.ts";
import { names } from "./servers.ts";
import { existingIdentity, makeIdentities, primitives, startControl } from "./service.ts";

const PART_OF = ["settop", "headend", "router"] as const;

/** What the configurations of others need to know of this server: all of it, or the one entry that a role has. */
function peers(config: ControlConfig, role: (typeof PART_OF)[number] | undefined): object {
  const keys = existingIdentity("keyserver", config.keyServer);
  const reception = existingIdentity("reception", config.reception);
  const keyServer = { id: keys.id, publicKey: toHex(keys.x25519.publicKey) };
  const noticeKey = keys.ed25519 === undefined ? "" : toHex(keys.ed25519.publicKey);
  const all = {
    settop: { ...keyServer, noticeKey },
    headend: keyServer,
    router: { id: reception.id, publicKey: toHex(reception.x25519.publicKey) },
  };
  return role === undefined ? { keyServer: all.settop, reception: all.router } : all[role];
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
        "ids and public keys of this server as JSON; with a role, its `keyServer` entry (a router: its `reception` entry)",
      )
      .addArgument(new Argument("[role]").choices(PART_OF))
      .action((role: (typeof PART_OF)[number] | undefined) => {
        process.stdout.write(`${JSON.stringify(peers(frame.config(), role))}\n`);
      });
    extendForOperator(program, frame, {
      name: "control",
      primitives,
      names,
      serverKeys: "`sealcast-control peers` prints what its configuration needs to know of this server",
      prepare: makeIdentities,
    });
  },
};

void runTarget(target);
