// Text from elsewhere, made harmless for a terminal.

/** Control characters become escapes: what is shown must not move the cursor, or ring. */
export const printable = (text: string): string =>
  text.replace(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
