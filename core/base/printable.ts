// Text from outside, made harmless before a person's terminal or log shows it.

/** Controls (C0, DEL, C1), what hides or turns text round, line and paragraph separators, halves of a pair, private use. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;

/** Such characters become escapes, "\u001b": what is shown must not move the cursor, ring, or read as something else. */
export const printable = (text: string): string => text.replace(HARMFUL, escaped);

/**
 * The same of at most `most` characters, with "…" where it was cut. Always new characters, never a view of `text`: V8 would keep all
 * of a long text alive for a short part of it.
 */
export function printableShort(text: string, most: number): string {
  const characters = [...text.slice(0, 2 * most + 2)];
  const shown = characters.slice(0, most).map(printable);
  return shown.join("") + (characters.length > most ? "…" : "");
}

/** By code units, as in JSON. */
function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}
