// The `keygen` subcommand of every participant: makes its identity file and prints the public part for those who must know it.
import type { Command } from "commander";
import type { Role } from "../../core/control/participant.ts";
import type { Primitives } from "../../core/ports/primitives.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { createIdentity } from "../../hal/identity/file.ts";
import { generateIdentity, type Identity, publicIdentity } from "../../hal/identity/identity.ts";
import { idOf } from "./arguments.ts";
import { registrationOf } from "./registration.ts";

/** What others do with the public part. */
const FOR_OTHERS: Readonly<Record<Role, (id: string) => string>> = {
  settop: (id) => `register it: control device add ${id} --subscriber SUBSCRIBER --public-key (the line below)`,
  headend: (id) => `register it: control service add ${id} --role headend --public-key (the line below)`,
  router: (id) => `register it: control service add ${id} --role router --public-key (the line below)`,
  keyserver: () => "others name it in their configuration as the line below",
  reception: () => "others name it in their configuration as the line below",
};

/** Adds the subcommand. It ends with 73 when the file is there already. */
export function addKeygen(program: Command, role: Role, primitives: Primitives, description: string): void {
  program
    .command("keygen")
    .argument("<id>", "the `id` of the configuration", idOf)
    .argument("<file>", "the `identity` of the configuration; must not exist yet")
    .option("--json", "all public keys as JSON")
    .description(description)
    .action((id: string, file: string, { json }: { readonly json?: boolean }) => {
      const identity = generateIdentity(role, id, primitives, systemEntropy);
      createIdentity(file, identity);
      if (json !== true) process.stderr.write(`${file} has the keys of ${id}; ${FOR_OTHERS[role](id)}\n`);
      process.stdout.write(`${json === true ? JSON.stringify(publicIdentity(identity)) : publicPart(identity)}\n`);
    });
}

/** What `--public-key` takes; of the two servers the entry that configurations have. */
function publicPart(identity: Identity): string {
  const { id, role, x25519, ed25519 } = publicIdentity(identity);
  if (role !== "keyserver" && role !== "reception") return registrationOf(identity);
  return JSON.stringify({ id, publicKey: x25519, ...(ed25519 === undefined ? {} : { noticeKey: ed25519 }) });
}
