// Which interface has which number in the kernel's multicast routing, where routes and upcalls go by the numbers.
import { MAXVIFS } from "./mroute-octets.ts";

/** Numbers that are free again wait behind those that are free for longer: an upcall may still name what an interface had. */
export class VirtualInterfaces {
  readonly #names: (string | undefined)[] = new Array(MAXVIFS).fill(undefined);
  /** That which has been free for longest first. */
  readonly #free: number[] = Array.from({ length: MAXVIFS }, (_, number) => number);

  /** The number has this interface, as far as the kernel says. */
  take(number: number, name: string): void {
    this.#names[number] = name;
    this.#free.splice(this.#free.indexOf(number), 1);
  }

  /** The number that an interface would get; undefined: there are as many as may be. */
  get next(): number | undefined {
    return this.#free[0];
  }

  /** The interface has no number any more. */
  release(name: string): void {
    const number = this.numberOf(name);
    if (number === undefined) return;
    this.#names[number] = undefined;
    this.#free.push(number);
  }

  numberOf(name: string): number | undefined {
    const number = this.#names.indexOf(name);
    return number < 0 ? undefined : number;
  }

  /** The interface of a number that the kernel names; undefined: of none, or of one that is gone. */
  nameOf(number: number): string | undefined {
    return this.#names[number];
  }

  /** Of those of the interfaces that have one. */
  numbersOf(names: readonly string[]): readonly number[] {
    return names.flatMap((name) => this.numberOf(name) ?? []);
  }
}
