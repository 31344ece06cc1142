// Settings of bridges and their ports in /sys: changed while they are needed, and given back as they were found, by us or by who comes
// after us.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFolder } from "../folder.ts";

/** One that was changed. */
interface Changed {
  readonly before: string;
  readonly ours: string;
  /** Of its interface: another of the same name has another. */
  readonly index: string;
}

/** Where they are, and where what was found is kept. */
export interface BridgeSettingsOptions {
  /** The folder of the interfaces, each a folder of its name: /sys/class/net. */
  readonly root?: string;
  /** A file that a process that was killed leaves to the next; without, only this one knows what it found. */
  readonly file?: string;
  /** The file cannot be written. */
  failed?(why: string): void;
}

/** Remembers what it found in each file that it changed. One for all bridges of a process. */
export class BridgeSettings {
  readonly #options: BridgeSettingsOptions;
  readonly #root: string;
  readonly #changed = new Map<string, Changed>();

  /** What a predecessor left in the file holds where it is still as that left it. */
  constructor(options: BridgeSettingsOptions = {}) {
    this.#options = options;
    this.#root = options.root ?? "/sys/class/net";
    for (const [path, changed] of leftIn(options.file))
      if (this.#isAsLeft(path, changed)) this.#changed.set(path, changed);
  }

  /** True when it was another. @param path from the root, "br0/bridge/multicast_snooping". Throws the system's error. */
  set(path: string, value: string): boolean {
    const now = this.#read(path);
    if (now === value) return false;
    const { before, index } = this.#changed.get(path) ?? { before: now, index: this.#indexOf(path) };
    // First the record: who is killed in between has changed nothing.
    this.#record(path, { before, ours: value, index });
    try {
      this.#write(path, value);
    } catch (error) {
      if (now === before) this.#forget(path);
      throw error;
    }
    return true;
  }

  /** At least so much; where there is no such setting, or it may not be changed, it stays as it is. */
  raise(path: string, least: number): void {
    try {
      if (Number(this.#read(path)) < least) this.set(path, String(least));
    } catch {
      // A limit of the bridge's own, with which it works too.
    }
  }

  /** As it is without us. Throws the system's error. */
  found(path: string): string {
    return this.#changed.get(path)?.before ?? this.#read(path);
  }

  /** What was changed, and is not given back yet: paths from the root. */
  changed(): readonly string[] {
    return [...this.#changed.keys()];
  }

  /** As it was found. The system's error where it stays as it is: it is gone, or may not be written any more. */
  restore(path: string): unknown {
    const changed = this.#changed.get(path);
    if (changed === undefined) return undefined;
    try {
      this.#write(path, changed.before);
      return undefined;
    } catch (error) {
      return error;
    } finally {
      this.#forget(path);
    }
  }

  /** Those for which it is true, what was changed last first. */
  restoreAll(which: (path: string) => boolean = () => true): void {
    for (const path of this.changed().filter(which).reverse()) this.restore(path);
  }

  #isAsLeft(path: string, { ours, index }: Changed): boolean {
    try {
      return this.#read(path) === ours && this.#indexOf(path) === index;
    } catch {
      return false;
    }
  }

  #indexOf(path: string): string {
    try {
      return this.#read(join(path.split("/")[0] ?? "", "ifindex"));
    } catch {
      return "";
    }
  }

  #read(path: string): string {
    return readFileSync(join(this.#root, path), "latin1").trim();
  }

  /** Not made where it is gone: outside /sys that would succeed. */
  #write(path: string, value: string): void {
    writeFileSync(join(this.#root, path), value, { flag: "r+" });
  }

  #record(path: string, changed: Changed): void {
    this.#changed.set(path, changed);
    this.#save();
  }

  #forget(path: string): void {
    this.#changed.delete(path);
    this.#save();
  }

  /** It need not outlive a power cut: /sys does not. */
  #save(): void {
    const { file, failed } = this.#options;
    if (file === undefined) return;
    try {
      if (this.#changed.size === 0) rmSync(file, { force: true });
      else writeWhole(file, JSON.stringify([...this.#changed]));
    } catch (error) {
      failed?.(`what was found of the bridges cannot be kept in ${file}: ${(error as Error).message}`);
    }
  }
}

/** The old or the new, whenever we are killed. */
function writeWhole(file: string, text: string): void {
  makeFolder(dirname(file), 0o755);
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Nothing where there is no such file, or it is none of ours. */
function leftIn(file: string | undefined): readonly (readonly [string, Changed])[] {
  try {
    return file === undefined ? [] : [...new Map<string, Changed>(JSON.parse(readFileSync(file, "utf8")))];
  } catch {
    return [];
  }
}
