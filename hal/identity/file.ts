// Identity files on disk: written whole or not at all, readable by their owner only.
import { closeSync, fstatSync, linkSync, openSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { HalError } from "../../core/ports/errors.ts";
import type { Primitives } from "../../core/ports/primitives.ts";
import { writeDurably } from "../durable-file.ts";
import { syncFolder } from "../folder.ts";
import { formatIdentity, type Identity, parseIdentity } from "./identity.ts";

/** Group or others may read, write or execute. */
const TOO_OPEN = 0o077;
const LONGEST = 64 * 1024;

/**
 * Throws HalError "identity.missing", "identity.permission", "identity.mode" (others could read it), "identity.invalid" (with every
 * fault), "identity.failed".
 */
export function readIdentity(path: string, primitives: Primitives): Identity {
  const parsed = parseIdentity(readOwnFile(path), primitives);
  if ("id" in parsed) return parsed;
  throw new HalError("identity.invalid", `${path}: ${parsed.join("; ")}`, {
    alternative: "make a new one with keygen",
  });
}

/**
 * Makes the file, mode 0600, durable on return. Never replaces one: throws HalError "identity.exists"; else "identity.missing" (no
 * such folder), "identity.permission", "identity.disk-full", "identity.failed".
 */
export function createIdentity(path: string, identity: Identity): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeDurably(temporary, formatIdentity(identity), "create");
    // A hard link appears whole and, unlike a rename, never takes another file's place.
    linkSync(temporary, path);
    syncFolder(dirname(path));
  } catch (cause) {
    throw failure(path, cause);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function readOwnFile(path: string): string {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    throw failure(path, cause);
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw new HalError("identity.invalid", `${path} is not a file`);
    const { mode, size } = found;
    if ((mode & TOO_OPEN) !== 0)
      throw new HalError("identity.mode", `${path} can be read by others`, { needs: `chmod 600 ${path}` });
    if (size > LONGEST) throw new HalError("identity.invalid", `${path} is too long for an identity: ${size} octets`);
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

function failure(path: string, cause: unknown): HalError {
  switch (cause instanceof Error && "code" in cause ? cause.code : undefined) {
    case "ENOENT":
      return new HalError("identity.missing", `${path} does not exist`, { cause, alternative: "make it with keygen" });
    case "EACCES":
    case "EPERM":
      return new HalError("identity.permission", `${path}: this user may not`, { cause });
    case "EEXIST":
      return new HalError("identity.exists", `${path} exists and is not replaced`, { cause, needs: "another path" });
    case "ENOSPC":
    case "EDQUOT":
      return new HalError("identity.disk-full", `${path}: no space left`, { cause });
    default:
      return new HalError("identity.failed", `${path}: ${String(cause)}`, { cause });
  }
}
