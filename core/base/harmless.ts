// Text from outside, before a person's terminal or log shows it.

/** Controls (C0, DEL, C1), what hides or turns text round, line and paragraph separators, halves of a pair, private use. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/u;

/**
 * The text with every such character written as `\u{...}`, and cut with "…" after `most` characters. Always new characters, never
 * a view of `text`: V8 would keep all of a long text alive for a short part of it.
 */
export function harmless(text: string, most: number): string {
  const characters = [...text.slice(0, 2 * most + 2)];
  const shown = characters.slice(0, most).map((one) => (HARMFUL.test(one) ? escaped(one) : one));
  return shown.join("") + (characters.length > most ? "…" : "");
}

const escaped = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
