// FNV-1a, for what has to come out the same everywhere and after every restart. Nobody is kept from choosing texts that collide.

/** FNV-1a, 32 bits (draft-eastlake-fnv), over the UTF-16 units of `text`: of ASCII, over its octets. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
