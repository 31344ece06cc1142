// Guarded ports as nftables keeps them: they outlive whoever opened them, and the last word stands by the machine's own clock.
import type { Ipv4 } from "../../core/base/ipv4.ts";
import { inSubnet } from "../../core/base/subnet.ts";
import { after, type Duration, type Instant } from "../../core/base/time.ts";
import type { Clock } from "../../core/ports/clock.ts";
import type { Enforcement, GuardedPorts, GuardRules, Pass } from "../../core/ports/enforcement.ts";

/** One machine's guard. */
export class SimulatedEnforcement implements Enforcement {
  readonly #clock: Clock;
  readonly #ports = new Set<string>();
  readonly #passes = new Map<string, Pass>();
  #rules: GuardRules | undefined;
  #standsUntil: Instant | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  open(rules: GuardRules): GuardedPorts {
    this.#rules = rules;
    this.#ports.clear();
    for (const port of rules.ports) this.#ports.add(port);
    const inherited = [...this.#passes.values()];
    return {
      inherited: () => inherited,
      setTerms: (terms) => {
        this.#rules = { ...rules, ...terms };
      },
      guard: (port, guarded) => void (guarded ? this.#ports.add(port) : this.#ports.delete(port)),
      change: (added, removed) => {
        for (const pass of added) this.#passes.set(keyOf(pass), pass);
        for (const pass of removed) this.#passes.delete(keyOf(pass));
      },
      stand: (span) => this.#stand(span),
      close: async () => this.removeLeft(),
    };
  }

  removeLeft(): void {
    this.#rules = undefined;
    this.#standsUntil = undefined;
    this.#ports.clear();
    this.#passes.clear();
  }

  /** Whether a packet to the group leaves by the port. */
  lets(port: string, group: Ipv4): boolean {
    const rules = this.#rules;
    if (rules === undefined || !this.#ports.has(port)) return true;
    if (!rules.groups.some((subnet) => inSubnet(subnet, group))) return true;
    const stands = this.#standsUntil !== undefined && this.#clock.now() < this.#standsUntil;
    return stands ? this.#passes.has(keyOf({ port, group })) : rules.afterwards === "open";
  }

  #stand(span: Duration): void {
    this.#standsUntil = after(this.#clock.now(), span);
  }
}

const keyOf = ({ port, group }: Pass): string => `${port} ${group}`;
