// CRC-32 as in Ethernet and gzip (RFC 1952 section 8); zlib.crc32 is younger than the oldest Node that we run on.

const POLYNOMIAL = 0xedb88320;
const TABLE = Uint32Array.from({ length: 256 }, (_, octet) => {
  let remainder = octet;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
  return remainder;
});

/** Of the text in UTF-8, 0 to 2^32 - 1. */
export function crc32(text: string): number {
  let crc = 0xffff_ffff;
  for (const octet of Buffer.from(text)) crc = (crc >>> 8) ^ (TABLE[(crc ^ octet) & 255] ?? 0);
  return ~crc >>> 0;
}
