// The `keygen` subcommand of every participant: makes its identity file and prints the public part.
import type { Command } from "commander";
import type { Role } from "../../core/control/participant.ts";
import type { Primitives } from "../../core/ports/primitives.ts";
import { systemEntropy } from "../../hal/entropy/system.ts";
import { createIdentity } from "../../hal/identity/file.ts";
import { generateIdentity, publicIdentity } from "../../hal/identity/identity.ts";

export function addKeygen(program: Command, role: Role, primitives: Primitives, description: string): void {
  program
    .command("keygen")
    .argument("<id>")
    .argument("<file>")
    .description(description)
    .action((id: string, file: string) => keygen(role, id, file, primitives));
}

function keygen(role: Role, id: string, path: string, primitives: Primitives): void {
  const identity = generateIdentity(role, id, primitives, systemEntropy);
  createIdentity(path, identity);
  process.stdout.write(`${JSON.stringify(publicIdentity(identity), undefined, 2)}\n`);
}
