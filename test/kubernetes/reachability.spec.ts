import { describe, expect, it } from '@jest/globals';
import { mayConnect, type Party, type Policy } from './reachability.ts';

const pod = (name: string, namespace = 'a'): Party => ({
  address: '10.0.0.1',
  pod: { namespace, namespaceLabels: { name: namespace }, labels: { app: name } },
});
const policy = (app: string, spec: Partial<Policy['spec']>): Policy => ({
  metadata: { namespace: 'a' },
  spec: { podSelector: app === '' ? {} : { matchLabels: { app } }, policyTypes: ['Ingress', 'Egress'], ...spec },
});
const toDb = { from: pod('web'), to: pod('db'), port: 5432 };
const opened = { podSelector: { matchLabels: { app: 'db' } } };
const egress = policy('web', { policyTypes: ['Egress'], egress: [{ to: [opened], ports: [{ port: 5432 }] }] });
const ingress = policy('db', {
  policyTypes: ['Ingress'],
  ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 5432 }] }],
});
const closed = policy('', {});

describe('policies', () => {
  it('bind nobody whom none selects', () => {
    expect(mayConnect([], toDb)).toBe(true);
    expect(mayConnect([policy('other', {})], toDb)).toBe(true);
  });

  it('have to open a connection at both of its ends', () => {
    expect(mayConnect([closed], toDb)).toBe(false);
    expect(mayConnect([closed, egress], toDb)).toBe(false);
    expect(mayConnect([closed, ingress], toDb)).toBe(false);
    expect(mayConnect([closed, egress, ingress], toDb)).toBe(true);
  });

  it('open one port of one protocol, to one namespace', () => {
    const all = [closed, egress, ingress];
    expect(mayConnect(all, { ...toDb, port: 22 })).toBe(false);
    expect(mayConnect(all, { ...toDb, protocol: 'UDP' })).toBe(false);
    expect(mayConnect(all, { ...toDb, from: pod('web', 'b') })).toBe(false);
  });

  it('bind a pod in one direction alone where they name one', () => {
    expect(mayConnect([policy('db', { policyTypes: ['Egress'] })], toDb)).toBe(true);
    expect(mayConnect([policy('web', { policyTypes: ['Ingress'] })], toDb)).toBe(true);
  });

  it('take a namespace without pods for all of its pods, and with pods for those', () => {
    const from = (peer: object) => [closed, policy('db', { policyTypes: ['Ingress'], ingress: [{ from: [peer] }] })];
    const there = { ...toDb, from: pod('web', 'b') };
    const b = { namespaceSelector: { matchLabels: { name: 'b' } } };
    expect(mayConnect(from(b), there)).toBe(true);
    expect(mayConnect(from({ ...b, podSelector: { matchLabels: { app: 'other' } } }), there)).toBe(false);
  });

  it('open a range but for its exceptions, each family for itself', () => {
    const block = (cidr: string, except: string[]) => [
      policy('web', { policyTypes: ['Egress'], egress: [{ to: [{ ipBlock: { cidr, except } }] }] }),
    ];
    const reaches = (policies: Policy[], address: string) =>
      mayConnect(policies, { from: pod('web'), to: { address }, port: 443 });
    const four = block('0.0.0.0/0', ['10.0.0.0/8']);
    expect(['93.184.216.34', '10.1.2.3', '2001:db8::1'].map((address) => reaches(four, address))).toEqual([
      true,
      false,
      false,
    ]);
    const six = block('::/0', ['fc00::/7']);
    expect(['2001:db8::1', 'fd00:ec2::254', '93.184.216.34'].map((address) => reaches(six, address))).toEqual([
      true,
      false,
      false,
    ]);
  });
});
