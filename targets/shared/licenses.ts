import { brotliDecompressSync } from "node:zlib";

declare const SEALCAST_LICENSES: string | undefined;

/** Our licence and those of everything inside this bundle, in full; the bundler puts them in, compressed. */
export const licenses = (): string =>
  typeof SEALCAST_LICENSES === "string"
    ? brotliDecompressSync(Buffer.from(SEALCAST_LICENSES, "base64")).toString()
    : "not a bundle: LICENSE is ours, and each package in node_modules has its own\n";
