/**
 * Who may connect to whom under NetworkPolicies, by the rules of networking.k8s.io/v1: a pod that a policy selects for a
 * direction is closed there but for what some policy opens; a connection has to be open at both of its ends. Numbered
 * ports only.
 */
import { BlockList, isIPv6 } from 'node:net';
import type { Labels } from './chart.ts';

interface Selector {
  readonly matchLabels?: Labels;
}

interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

interface Rule {
  readonly ports?: readonly { readonly port?: number; readonly protocol?: string }[];
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
}

/** A NetworkPolicy. */
export interface Policy {
  readonly metadata: { readonly namespace?: string };
  readonly spec: {
    readonly podSelector: Selector;
    readonly policyTypes: readonly string[];
    readonly ingress?: readonly Rule[];
    readonly egress?: readonly Rule[];
  };
}

/** A pod, or, without labels, an address outside of the cluster. */
export interface Party {
  readonly address: string;
  readonly pod?: { readonly namespace: string; readonly namespaceLabels: Labels; readonly labels: Labels };
}

export interface Connection {
  readonly from: Party;
  readonly to: Party;
  readonly port: number;
  readonly protocol?: 'TCP' | 'UDP';
}

/** Whether the policies let the connection through. */
export function mayConnect(policies: readonly Policy[], connection: Connection): boolean {
  return open(policies, connection, 'egress') && open(policies, connection, 'ingress');
}

function open(policies: readonly Policy[], connection: Connection, direction: 'ingress' | 'egress'): boolean {
  const [own, other] = direction === 'egress' ? [connection.from, connection.to] : [connection.to, connection.from];
  const type = direction === 'egress' ? 'Egress' : 'Ingress';
  const binding = policies.filter(
    ({ spec, metadata }) => spec.policyTypes.includes(type) && selects(own, spec, metadata),
  );
  if (binding.length === 0) return true;
  return binding.some(({ spec, metadata }) =>
    (spec[direction] ?? []).some(
      (rule) =>
        hasPort(rule, connection) &&
        hasPeer(direction === 'egress' ? rule.to : rule.from, other, metadata.namespace ?? ''),
    ),
  );
}

function selects({ pod }: Party, spec: Policy['spec'], { namespace }: Policy['metadata']): boolean {
  return pod !== undefined && pod.namespace === namespace && fits(spec.podSelector, pod.labels);
}

function fits({ matchLabels = {} }: Selector, labels: Labels): boolean {
  return Object.entries(matchLabels).every(([label, value]) => labels[label] === value);
}

function hasPort({ ports }: Rule, { port, protocol = 'TCP' }: Connection): boolean {
  if (ports === undefined) return true;
  return ports.some((open) => (open.protocol ?? 'TCP') === protocol && (open.port === undefined || open.port === port));
}

function hasPeer(peers: readonly Peer[] | undefined, party: Party, namespace: string): boolean {
  if (peers === undefined || peers.length === 0) return true;
  return peers.some((peer) => isPeer(peer, party, namespace));
}

function isPeer(
  { ipBlock, podSelector, namespaceSelector }: Peer,
  { address, pod }: Party,
  namespace: string,
): boolean {
  if (ipBlock !== undefined)
    return holds(ipBlock.cidr, address) && !(ipBlock.except ?? []).some((range) => holds(range, address));
  if (pod === undefined) return false;
  const right = namespaceSelector ? fits(namespaceSelector, pod.namespaceLabels) : pod.namespace === namespace;
  return right && (podSelector === undefined || fits(podSelector, pod.labels));
}

function holds(cidr: string, address: string): boolean {
  const [network = '', prefix = ''] = cidr.split('/');
  const family = isIPv6(network) ? 'ipv6' : 'ipv4';
  // Node takes ::ffff:a.b.c.d for the address a.b.c.d; a policy's ranges of one family hold none of the other.
  if (isIPv6(address) !== (family === 'ipv6')) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family);
  return list.check(address, family);
}
