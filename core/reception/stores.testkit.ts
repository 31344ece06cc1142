// Every driver of the store port. A new one is one entry here: the port's contract and the decisions of this folder then run on it.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { MemoryDisk, MemoryStore } from "../../hal/store/memory.ts";
import { openSqlite } from "../../hal/store/sqlite.ts";
import type { Store } from "../ports/store.ts";

export interface StoreDriver {
  readonly name: string;
  /** An empty disk; each call of what it returns opens the store that is on it, as the next process would. */
  disk(): () => Store;
}

let folder: string | undefined;
let files = 0;

/** Several test files may share a process: it is gone with the process, not with the first of them. */
function newFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "sealcast-store-"));
  process.once("exit", () => rmSync(path, { recursive: true }));
  return path;
}

/** A path below a folder of its own that is not there yet; all are removed after the tests. */
export function freshPath(): string {
  folder ??= newFolder();
  files += 1;
  return join(folder, `store-${files}`, "test.db");
}

/** A path in a folder that is there and empty, for a file that is not made by the store. */
export function inNewFolder(): string {
  const path = freshPath();
  mkdirSync(dirname(path));
  return path;
}

const memory: StoreDriver = {
  name: "memory",
  disk() {
    const disk = new MemoryDisk();
    return () => new MemoryStore(disk);
  },
};

const sqlite: StoreDriver = {
  name: "sqlite",
  disk() {
    const path = freshPath();
    return () => openSqlite({ path });
  },
};

export const STORE_DRIVERS: readonly StoreDriver[] = [memory, sqlite];

/** One test for each driver, each on an empty store. */
export function scenario(title: string, body: (store: Store) => Promise<void>): void {
  for (const { name, disk } of STORE_DRIVERS) {
    test(`${name}: ${title}`, async () => {
      const store = disk()();
      try {
        await body(store);
      } finally {
        await store.close();
      }
    });
  }
}
