declare const SEALCAST_VERSION: string | undefined;

/** The package's version, put in by the bundler; "development" when the sources run unbundled. */
export const version = typeof SEALCAST_VERSION === "string" ? SEALCAST_VERSION : "development";
