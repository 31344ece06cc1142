// The floating-point codes of RFC 3376 4.1.1 (Max Resp Code, tenths of a second) and 4.1.7 (QQIC, seconds).

const FLOATING = 0x80;
const LARGEST = (0x1f << 10) >>> 0;

/** The value that an octet stands for, 0 to 31744. */
export function decodeCode(code: number): number {
  if (code < FLOATING) return code;
  const exponent = (code >>> 4) & 7;
  const mantissa = code & 0x0f;
  return (mantissa | 0x10) << (exponent + 3);
}

/** The octet for `value`: exact where there is one, else the next lower (RFC 3376 8.8). Out of range is clamped to 0 and 31744. */
export function encodeCode(value: number): number {
  const whole = Math.min(LARGEST, Math.max(0, Math.floor(value)));
  if (whole < FLOATING) return whole;
  let exponent = 0;
  while (whole >>> (exponent + 3) > 0x1f) exponent++;
  return FLOATING | (exponent << 4) | ((whole >>> (exponent + 3)) & 0x0f);
}
