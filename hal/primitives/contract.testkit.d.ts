import type { Primitives } from "../../core/ports/primitives.ts";
/** The octets of a hexadecimal literal in a test. */
export declare function hex(text: string): Uint8Array;
export declare function primitivesContract(name: string, primitives: Primitives): void;
export declare function flip(bytes: Uint8Array, at: number): Uint8Array;
