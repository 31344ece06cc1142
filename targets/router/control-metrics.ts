// Metrics of what control and the operator allow: the policy, rights, bandwidths, and the evidence that goes back.
import { byReason, counter, type Family, gauge, type Value, yes } from "./metric-family.ts";
import type { StatusParts } from "./status-of.ts";
import { isSound } from "./warnings.ts";

/** Where there is no way to control, those of the policy and of bandwidths alone. */
export const controlFamilies = (parts: StatusParts): readonly Family[] => [
  ...policyFamilies(parts),
  ...bandwidthFamilies(parts),
  ...permitFamilies(parts),
  ...evidenceFamilies(parts),
];

function policyFamilies({ policy }: StatusParts): readonly Family[] {
  const { revision, refused, kept } = policy.status();
  return [
    gauge("policy_revision", "Revision of control's policy that is in force; 0: none.", [[{}, revision]]),
    gauge("policy_refused_revision", "Revision of control's policy that cannot be in force; 0: none.", [
      [{}, refused?.revision ?? 0],
    ]),
    gauge("policy_on_disk", "Whether a restart would know the policy.", [[{}, yes(kept === "on disk")]]),
    gauge("rules", "Rules that are in force.", [[{}, policy.inForce.config.rules.length]]),
  ];
}

function bandwidthFamilies({ router }: StatusParts): readonly Family[] {
  const loads = router.loads().map(({ carrier: { kind, ...where }, load, capacity }) => {
    const port = "port" in where ? { port: where.port } : {};
    return { labels: { of: kind, interface: where.name, ...port }, load, capacity };
  });
  return [
    gauge(
      "bandwidth_kbit_per_second",
      "What is carried where a capacity is configured.",
      loads.map(({ labels, load }) => [labels, load]),
    ),
    gauge(
      "bandwidth_capacity_kbit_per_second",
      "What may be carried.",
      loads.map(({ labels, capacity }) => [labels, capacity]),
    ),
  ];
}

function permitFamilies({ router, clock, guard }: StatusParts): readonly Family[] {
  const summary = router.permits(clock.now());
  const one = (value: number | undefined): readonly Value[] => [[{}, value]];
  return [
    gauge(
      "enforce_stands",
      "Whether control's last word on who may receive stands.",
      one(summary && yes(summary.stands)),
    ),
    gauge("enforce_cards", "Cards that control was asked about.", one(summary?.cards)),
    gauge("enforce_permitted", "Cards that may receive something.", one(summary?.permitted)),
    gauge(
      "enforce_guard_sound",
      "Whether bridge ports are guarded as they are to be.",
      one(summary && yes(isSound(guard.state))),
    ),
  ];
}

function evidenceFamilies({ control }: StatusParts): readonly Family[] {
  const one = (value: number | undefined): readonly Value[] => [[{}, value]];
  return [
    gauge("control_connected", "Whether control is reached.", one(control && yes(control.connected))),
    gauge("evidence_waiting", "Changes and counts that control has not acknowledged.", one(control?.waiting)),
    gauge(
      "evidence_on_disk",
      "Whether a restart would know what waits.",
      one(control && yes(control.evidence === "on disk")),
    ),
    counter(
      "control_drops",
      "Messages of and to control that came to nothing, by reason.",
      byReason({}, control?.drops),
    ),
  ];
}
