// A rule in words, for status.
import { formatIpv4 } from "../../core/base/ipv4.ts";
import type { Subnet } from "../../core/base/subnet.ts";
import type { HostPattern } from "../../core/igmp/host-pattern.ts";
import type { GroupPrefix } from "../../core/router/policy/group-access.ts";
import type { Rule } from "../../core/router/policy/rules.ts";

/** "preview 239.1.9.0/24 to 02:00:5e on br-lan port lan3 (120 s, 2 a day, 3600 s apart)". */
export function ruleText(rule: Rule): string {
  const { groups, sources, host, interface: name, vlan, port } = rule;
  const words = [
    rule.action,
    groups === undefined ? "all groups" : groups.map(prefixText).join(", "),
    sources && `from ${sources.map(subnetText).join(", ")}`,
    host && `to ${hostText(host)}`,
    name && `on ${name}`,
    vlan && `VLAN ${vlan}`,
    port && `port ${port}`,
    rule.action === "preview" ? termsText(rule.preview) : undefined,
  ];
  return words.filter((word) => word !== undefined).join(" ");
}

const prefixText = ({ group, length }: GroupPrefix): string => subnetText({ address: group, prefixLength: length });

const subnetText = ({ address, prefixLength }: Subnet): string =>
  prefixLength === 32 ? formatIpv4(address) : `${formatIpv4(address)}/${prefixLength}`;

const hostText = (host: HostPattern): string => (host.kind === "mac" ? host.mac : subnetText(host.subnet));

const termsText = ({ watch, perDay, pause }: (Rule & { action: "preview" })["preview"]): string =>
  `(${watch / 1000} s, ${perDay} a day, ${pause / 1000} s apart)`;
