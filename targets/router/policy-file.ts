// Control's policy over the end of the process: a router that starts while control is away has what it was given last.
import * as v from "valibot";
import { toHex } from "../../core/base/bytes.ts";
import { printableShort } from "../../core/base/printable.ts";
import { type UnixTime, unixTime } from "../../core/base/time.ts";
import { Identifier, POLICY_LIMIT } from "../../core/control/messages.ts";
import { HalError } from "../../core/ports/errors.ts";
import type { EvidenceLog } from "../../core/ports/evidence-log.ts";

/** One that was in force; its text has been looked at by the program that kept it, perhaps one of another version. */
export interface KeptPolicy {
  readonly revision: number;
  readonly since: UnixTime;
  readonly text: string;
}

/** Whose policy it is, and whose word: that of another router or another control is not this router's. */
export interface PolicyOwner {
  readonly router: string;
  /** X25519, 32 octets. */
  readonly server: Uint8Array;
}

const line = v.strictObject({
  router: Identifier,
  server: v.string(),
  revision: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(Number.MAX_SAFE_INTEGER)),
  since: v.pipe(v.number(), v.integer(), v.minValue(0)),
  policy: v.pipe(v.string(), v.maxLength(POLICY_LIMIT)),
});

/** The last line counts. */
export class PolicyFile {
  readonly #log: EvidenceLog;
  readonly #owner: PolicyOwner;

  constructor(log: EvidenceLog, owner: PolicyOwner) {
    this.#log = log;
    this.#owner = owner;
  }

  /** What the process before has left, and what is wrong with the file: "policy.damaged" and "policy.foreign" too stop nobody. */
  load(): { readonly kept?: KeptPolicy; readonly fault?: HalError } {
    const { lines, fault } = this.#log.load();
    const last = lines.at(-1);
    if (last === undefined) return fault === undefined ? {} : { fault };
    const read = parse(last);
    if (read === undefined) return { fault: fault ?? new HalError("policy.damaged", "what was kept is no policy") };
    const { router, server, policy: text, revision, since } = read;
    if (router !== this.#owner.router || server !== toHex(this.#owner.server)) return { fault: foreign(router) };
    return { kept: { revision, since: unixTime(since), text }, ...(fault === undefined ? {} : { fault }) };
  }

  /** On the disk when it resolves; rejects with HalError. */
  async keep({ revision, since, text: policy }: KeptPolicy): Promise<void> {
    const { router, server } = this.#owner;
    await this.#log.replace([JSON.stringify({ router, server: toHex(server), revision, since, policy })]);
  }
}

function parse(text: string): v.InferOutput<typeof line> | undefined {
  try {
    const { success, output } = v.safeParse(line, JSON.parse(text));
    return success ? output : undefined;
  } catch {
    return undefined;
  }
}

const foreign = (router: string): HalError =>
  new HalError(
    "policy.foreign",
    `the policy that was kept is of the router ${printableShort(router, 64)} or of another control: it is not in force`,
  );
