// One pass over CBOR (RFC 8949) before it is decoded: plain items only, shallow, and complete.
// The decoder recurses and allocates by the lengths it reads, so these are checked first, without recursion.

const DEEPEST = 8;
/** Items in one message: keys and values each count. */
const MOST_ITEMS = 8192;

// Major types, RFC 8949 section 3.1
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;
const SIMPLE = 7;

/** Additional information 24 to 27: the argument follows in 1, 2, 4 or 8 octets; 28 to 31 are reserved or indefinite. */
const ARGUMENT_OCTETS = [1, 2, 4, 8] as const;

/**
 * True when `bytes` is exactly one item, at most 8 levels deep, of integers, byte and text strings, arrays, maps, booleans and
 * null, all of definite length. Whether keys repeat and whether integers are in their shortest form is left to the decoder.
 */
export function isPlainCbor(bytes: Uint8Array): boolean {
  const open: number[] = [1];
  let at = 0;
  for (let items = 0; items < MOST_ITEMS; items++) {
    const head = readHead(bytes, at);
    if (head === undefined) return false;
    at = head.end + head.content;
    if (at > bytes.length) return false;
    open[open.length - 1] = (open.at(-1) ?? 0) - 1;
    if (head.children > 0) open.push(head.children);
    if (open.length > DEEPEST + 1) return false;
    while (open.at(-1) === 0) open.pop();
    if (open.length === 0) return at === bytes.length;
  }
  return false;
}

interface Head {
  readonly end: number;
  /** Octets of content that follow the head. */
  readonly content: number;
  /** Items that belong inside. */
  readonly children: number;
}

function readHead(bytes: Uint8Array, at: number): Head | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  const major = first >>> 5;
  const info = first & 31;
  // 20 to 22: false, true, null. No undefined, no floats, no other simple values.
  if (major === SIMPLE) return info >= 20 && info <= 22 ? { end: at + 1, content: 0, children: 0 } : undefined;
  if (major === TAG) return undefined;
  const octets = info < 24 ? 0 : ARGUMENT_OCTETS[info - 24];
  if (octets === undefined || at + 1 + octets > bytes.length) return undefined;
  return headOf(major, at + 1 + octets, octets === 0 ? info : readArgument(bytes, at + 1, octets));
}

function headOf(major: number, end: number, argument: number): Head {
  if (major === BYTES || major === TEXT) return { end, content: argument, children: 0 };
  if (major === ARRAY) return { end, content: 0, children: argument };
  if (major === MAP) return { end, content: 0, children: 2 * argument };
  return { end, content: 0, children: 0 };
}

function readArgument(bytes: Uint8Array, at: number, octets: number): number {
  let value = 0;
  for (let i = 0; i < octets; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
