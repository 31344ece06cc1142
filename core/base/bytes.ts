// Big-endian reads and writes in place. The caller's gate has checked the length.

/** 0 to 65535; octets beyond the end read as 0. */
export const readUint16 = (from: Uint8Array, at: number): number => ((from[at] ?? 0) << 8) | (from[at + 1] ?? 0);

/** 0 to 2^32-1; octets beyond the end read as 0. */
export const readUint32 = (from: Uint8Array, at: number): number =>
  (((from[at] ?? 0) << 24) | ((from[at + 1] ?? 0) << 16) | ((from[at + 2] ?? 0) << 8) | (from[at + 3] ?? 0)) >>> 0;

/** The low 16 bits of `value`. */
export function writeUint16(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 8;
  into[at + 1] = value;
}

/** The low 32 bits of `value`. */
export function writeUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));

/** Lower-case hexadecimal, two digits an octet. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const octet of bytes) text += HEX[octet];
  return text;
}

/** The octets that `text` spells in hexadecimal; undefined when it is not an even number of hex digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Same length and octets. Not in constant time: for public values and ids only. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
