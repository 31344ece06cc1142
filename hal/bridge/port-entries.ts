// Which entries of the kernel's database give each port of a bridge what it wants of one group.
//
// The kernel looks for (S, G) first and, only where there is none, for (*, G). So where one port names a source, every port that takes
// that source needs an (S, G) of its own. The kernel makes such by itself for ports with (*, G), whatever these exclude, and takes them
// away again while ours remain: each is replaced by one of ours or taken out.
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { admits, type SourceFilter, wantsNothing } from "../../core/igmp/filter.ts";

/** A source, or undefined for (*, G). */
export type EntrySource = Ipv4 | undefined;

/** Sources of one group that are told apart; a port that names others gets the whole group. */
export const MOST_SOURCES = 64;

/** Of one group. Ports are interface numbers. */
export class PortEntries {
  readonly #filters = new Map<number, SourceFilter>();
  /** What is in the kernel, and whether it is ours, or may be there by the kernel's own doing. */
  readonly #present = new Map<number, Map<EntrySource, "ours" | "kernel">>();
  /** Ports that have what a predecessor left and have said nothing yet. */
  readonly #inherited = new Set<number>();

  get isEmpty(): boolean {
    return this.#filters.size === 0 && this.#present.size === 0;
  }

  get inherited(): readonly number[] {
    return [...this.#inherited];
  }

  ports(): readonly number[] {
    return [...new Set([...this.#filters.keys(), ...this.#present.keys()])];
  }

  inherit(port: number, source: EntrySource): void {
    const before = this.#filters.get(port);
    const sources = before?.mode === "include" ? before.sources : [];
    this.#inherited.add(port);
    this.added(port, source);
    if (source === undefined) this.#filters.set(port, { mode: "exclude", sources: [] });
    else if (before?.mode !== "exclude") this.#filters.set(port, { mode: "include", sources: [...sources, source] });
  }

  set(port: number, filter: SourceFilter): void {
    this.#inherited.delete(port);
    if (wantsNothing(filter)) this.#filters.delete(port);
    else this.#filters.set(port, filter);
  }

  added(port: number, source: EntrySource): void {
    this.#note(port, source, "ours");
    const copied =
      source === undefined ? [...this.#sources()].map((one) => [port, one] as const) : this.#copies(source);
    for (const [to, one] of copied) if (this.#present.get(to)?.has(one) !== true) this.#note(to, one, "kernel");
  }

  #note(port: number, source: EntrySource, whose: "ours" | "kernel"): void {
    this.#present.set(port, (this.#present.get(port) ?? new Map()).set(source, whose));
  }

  /** To every port with (*, G). */
  #copies(source: Ipv4): readonly (readonly [number, Ipv4])[] {
    return [...this.#present].filter(([, entries]) => entries.has(undefined)).map(([port]) => [port, source]);
  }

  removed(port: number, source: EntrySource): void {
    const present = this.#present.get(port);
    present?.delete(source);
    if (present?.size === 0) this.#present.delete(port);
  }

  /** What is taken to be in the kernel. */
  present(): readonly (readonly [port: number, source: EntrySource])[] {
    return this.#difference((port) => [...(this.#present.get(port)?.keys() ?? [])]);
  }

  /** Entries that are wanted and not there, those of sources first. */
  toAdd(): readonly (readonly [port: number, source: EntrySource])[] {
    return this.#difference((port) =>
      [...this.#wanted(port)].filter((source) => this.#present.get(port)?.get(source) !== "ours"),
    );
  }

  /** Entries that a bridge on its own would have: without sources, where it does not tell them apart. */
  left(tellsSources: boolean): readonly (readonly [port: number, source: EntrySource])[] {
    if (tellsSources) return this.#difference((port) => [...this.#wanted(port)]);
    return Array.from(this.#filters.keys(), (port) => [port, undefined] as const);
  }

  /** Entries that are there and not wanted. */
  toRemove(): readonly (readonly [port: number, source: EntrySource])[] {
    return this.#difference((port) => {
      const wanted = this.#wanted(port);
      return [...(this.#present.get(port)?.keys() ?? [])].filter((source) => !wanted.has(source));
    });
  }

  #difference(of: (port: number) => readonly EntrySource[]): readonly (readonly [number, EntrySource])[] {
    return this.ports().flatMap((port) => of(port).map((source) => [port, source] as const));
  }

  /** Of a source that is named no more the entries stay while their ports take it: taking them out one by one would leave some without. */
  #sources(): ReadonlySet<Ipv4> {
    const present = [...this.#present.values()].flatMap((entries) =>
      [...entries.keys()].filter((one) => one !== undefined),
    );
    const named = [...this.#filters.values()].flatMap(({ sources }) => sources);
    return new Set([...new Set([...present, ...named])].slice(0, MOST_SOURCES));
  }

  #wanted(port: number): ReadonlySet<EntrySource> {
    const filter = this.#filters.get(port);
    if (filter === undefined) return new Set();
    const sources = this.#sources();
    const wanted = new Set<EntrySource>([...sources].filter((source) => admits(filter, source)));
    if (this.isUnfiltered(port)) wanted.add(undefined);
    return wanted;
  }

  /** Whether the port gets (*, G): it asked for it, or for more sources than are told apart. */
  isUnfiltered(port: number): boolean {
    const filter = this.#filters.get(port);
    if (filter === undefined) return false;
    const sources = this.#sources();
    return filter.mode === "exclude" || filter.sources.some((source) => !sources.has(source));
  }
}
