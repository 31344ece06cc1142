// For tests that hold something against a whole configuration: documents, UCI.

/** The parts of a valibot schema that have further schemas inside. */
export interface Parts {
  readonly wrapped?: Parts;
  readonly pipe?: readonly Parts[];
  readonly item?: Parts;
  readonly options?: readonly (Parts | string | number)[];
  readonly entries?: Readonly<Record<string, Parts>>;
}

/** Every leaf's path below `path`; items of arrays have no step of their own. */
export function pathsOf(schema: Parts, path = ""): readonly string[] {
  const first = schema.pipe?.[0];
  if (first !== undefined && first !== schema) return pathsOf(first, path);
  if (schema.wrapped !== undefined) return pathsOf(schema.wrapped, path);
  if (schema.item !== undefined) return pathsOf(schema.item, path);
  if (schema.entries !== undefined)
    return Object.entries(schema.entries).flatMap(([name, part]) =>
      pathsOf(part, path === "" ? name : `${path}.${name}`),
    );
  const options = (schema.options ?? []).filter((option): option is Parts => typeof option === "object");
  if (options.some((option) => option.entries !== undefined)) return options.flatMap((option) => pathsOf(option, path));
  return [path];
}
