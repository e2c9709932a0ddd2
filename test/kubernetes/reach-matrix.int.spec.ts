/** Who may talk to whom in a release, by its NetworkPolicies. */
import { describe, expect, it } from '@jest/globals';
import { findHelm } from '../../scripts/servers/helm.mjs';
import { type Manifest, objectsOf, podOf, valuesOf } from './chart.ts';
import { mayConnect, type Party, type Policy } from './reachability.ts';

const outside: Readonly<Record<string, string>> = {
  'the internet': '93.184.216.34',
  'the internet by IPv6': '2606:2800:21f:cb07::1',
  'cloud metadata': '169.254.169.254',
  'cloud metadata by IPv6': 'fd00:ec2::254',
  'a node': '192.168.1.10',
  'the API server': '10.96.0.1',
};

class Release {
  readonly #policies: Policy[];
  readonly #pods: Map<string, Party>;

  constructor(set: string) {
    const objects = objectsOf({ files: [valuesOf(set)] });
    this.#policies = objects.filter(({ kind }) => kind === 'NetworkPolicy') as unknown as Policy[]; // that kind
    this.#pods = new Map(objects.flatMap((object) => this.#partyOf(object)));
  }

  #partyOf(object: Manifest): [string, Party][] {
    const labels = podOf(object)?.metadata.labels;
    return labels === undefined ? [] : [[labels['app.kubernetes.io/component'] ?? '', podIn('research', labels)]];
  }

  /** Names of those that a pod may reach at a port, of all pods of the release and of what is outside. */
  reach(from: string, port: number): string[] {
    const parties = [...this.#pods, ...Object.entries(outside).map(([name, address]) => [name, { address }] as const)];
    return parties.filter(([name, to]) => name !== from && this.may(this.pod(from), to, port)).map(([name]) => name);
  }

  /** Names of the pods that may reach one at a port. */
  reachedBy(to: string, port: number): string[] {
    return [...this.#pods]
      .filter(([name, from]) => name !== to && this.may(from, this.pod(to), port))
      .map(([name]) => name);
  }

  may(from: Party, to: Party, port: number): boolean {
    return mayConnect(this.#policies, { from, to, port });
  }

  pod(name: string): Party {
    const party = this.#pods.get(name);
    if (party === undefined) throw new Error(`no pod ${name}`);
    return party;
  }

  get names(): string[] {
    return [...this.#pods.keys()];
  }
}

function podIn(namespace: string, labels: Record<string, string> | Party['address'] | object): Party {
  const namespaceLabels = { 'kubernetes.io/metadata.name': namespace };
  return { address: '10.244.0.9', pod: { namespace, namespaceLabels, labels: labels as Record<string, string> } }; // of a pod
}

const withHelm = findHelm() === undefined ? describe.skip : describe;
const reason = findHelm() === undefined ? ' [needs helm 3.10 or later]' : '';

withHelm(`in the release of a laptop${reason}`, () => {
  const release = findHelm() === undefined ? null : new Release('laptop');
  const of = (): Release => release as Release; // skipped otherwise
  const roles = ['gateway', 'dispatcher', 'agent-worker', 'tool-web', 'egress'];
  const internet = ['the internet', 'the internet by IPv6'];

  it('knows all pods', () => {
    expect(of().names.sort()).toEqual([...roles, 'migrate', 'postgres', 'redis', 'test'].sort());
  });

  it('lets the roles with stores reach them, and nobody else', () => {
    const callers = ['agent-worker', 'dispatcher', 'gateway', 'migrate', 'tool-web'];
    expect(of().reachedBy('postgres', 5432).sort()).toEqual(callers);
    expect(of().reachedBy('redis', 6379).sort()).toEqual(callers);
  });

  it('lets the egress proxy alone reach the internet, on two ports, and nothing that is not', () => {
    for (const name of of().names) {
      for (const port of [80, 443])
        expect([name, of().reach(name, port)]).toEqual([name, name === 'egress' ? internet : []]);
      for (const port of [22, 8080, 6443, 10250])
        expect([name, port, of().reach(name, port)]).toEqual([name, port, []]);
    }
  });

  it('lets tool workers alone reach the proxy', () => {
    expect(of().reachedBy('egress', 3128)).toEqual(['tool-web']);
  });

  it('lets ingress and the test reach the gateway, and no role nor another namespace', () => {
    expect(of().reachedBy('gateway', 7420)).toEqual(['test']);
    const ingress = podIn('ingress-nginx', {});
    const stranger = podIn('default', {});
    expect([ingress, stranger].map((from) => of().may(from, of().pod('gateway'), 7420))).toEqual([true, false]);
    expect(roles.map((role) => of().may(ingress, of().pod(role), 7421))).toEqual(roles.map(() => false));
  });

  it('lets every pod ask the DNS of the cluster, and no other name server', () => {
    const dns = podIn('kube-system', { 'k8s-app': 'kube-dns' });
    expect(of().names.filter((name) => !of().may(of().pod(name), dns, 53))).toEqual([]);
    expect(of().names.filter((name) => of().may(of().pod(name), { address: '8.8.8.8' }, 53))).toEqual([]);
  });

  it('does not let a pod of the namespace that is not of the release into anything', () => {
    const neighbour = podIn('research', { 'app.kubernetes.io/name': 'argosy', 'app.kubernetes.io/instance': 'other' });
    const ports = [5432, 6379, 3128, 7420, 7421];
    expect(of().names.filter((name) => ports.some((port) => of().may(neighbour, of().pod(name), port)))).toEqual([]);
  });
});

withHelm(`in other releases${reason}`, () => {
  it('opens the inference groups to those who ask models or look at groups, and a group to itself', () => {
    const release = new Release('air-gapped');
    const callers = ['agent-worker', 'gateway', 'tool-browser', 'tool-visit'];
    expect(release.reachedBy('group-0', 50051).sort()).toEqual(callers);
    expect(release.reach('gateway', 50051)).toEqual(['group-0']);
    expect(release.reachedBy('group-0', 50052)).toEqual([]);
    expect(release.may(release.pod('group-0'), release.pod('group-0'), 50052)).toBe(true);
    expect(release.reach('group-0', 443)).toEqual([]);
  });

  it('opens what an exception names, to the proxy alone', () => {
    const release = new Release('air-gapped');
    const search = { address: '10.20.0.20' };
    expect(release.names.filter((name) => release.may(release.pod(name), search, 8080))).toEqual(['egress']);
    expect(release.may(release.pod('egress'), { address: '10.20.0.21' }, 8080)).toBe(false);
    expect(release.reach('egress', 443)).toEqual([]);
  });

  it("keeps public addresses that are the cluster's own from everybody", () => {
    const release = new Release('production');
    const own = ['203.0.113.7', '2001:db8:1::5'].map((address) => ({ address }));
    expect(release.names.filter((name) => own.some((to) => release.may(release.pod(name), to, 443)))).toEqual([]);
    expect(release.may(release.pod('egress'), { address: '203.0.113.8' }, 443)).toBe(true);
  });

  it('lets the autoscaler alone reach the API server, and its own stores', () => {
    const release = new Release('production');
    const server = { address: '10.40.0.1' };
    expect(release.names.filter((name) => release.may(release.pod(name), server, 6443))).toEqual(['autoscaler']);
    expect(release.may(release.pod('autoscaler'), { address: '10.20.0.4' }, 6432)).toBe(true);
    expect(release.reach('autoscaler', 80)).toEqual([]);
  });

  it('lets those who read or write bytes reach the object store, and nobody else', () => {
    const release = new Release('production');
    const store = podIn('storage', {});
    const may = (port: number): string[] => release.names.filter((name) => release.may(release.pod(name), store, port));
    const pools = ['browser', 'scholar', 'search', 'visit'].map((pool) => `tool-${pool}`);
    expect(may(9000).sort()).toEqual(['agent-worker', 'dispatcher', 'gateway', ...pools]);
    expect(may(443)).toEqual([]);
  });

  it('lets each pool of tool workers reach what its calls need: search the proxy where there are providers', () => {
    const pools = ['tool-browser', 'tool-scholar', 'tool-search', 'tool-visit'];
    const production = new Release('production');
    expect(production.reachedBy('egress', 3128).sort()).toEqual(pools);
    const models = { address: '93.184.216.34' };
    const asks = production.names.filter((name) => production.may(production.pod(name), models, 443)).sort();
    // A gateway for the identity provider, which is on the internet, too.
    expect(asks).toEqual(['agent-worker', 'egress', 'gateway', 'tool-browser', 'tool-visit']);
    expect(production.may(production.pod('gateway'), models, 80)).toBe(false);
    expect(new Release('adapter').may(new Release('adapter').pod('gateway'), models, 443)).toBe(false);
    const corporaAlone = new Release('adapter');
    expect(corporaAlone.reachedBy('egress', 3128).sort()).toEqual(['tool-browser', 'tool-visit']);
    const ofStores = ['agent-worker', 'dispatcher', 'gateway', 'migrate', 'tool-browser', 'tool-search', 'tool-visit'];
    expect(corporaAlone.reachedBy('postgres', 5432).sort()).toEqual(ofStores);
  });

  it('lets every pod send spans to the receiver that is named, at its port', () => {
    const release = new Release('production');
    const receiver = podIn('observability', {});
    for (const port of [4318, 80]) {
      const may = release.names.filter((name) => release.may(release.pod(name), receiver, port));
      expect(may).toEqual(port === 4318 ? release.names : []);
    }
  });

  it('lets an autoscaler that starts and ends groups reach their coordinators, and nothing else of theirs', () => {
    const release = new Release('gpu-a100-2');
    expect(release.reachedBy('adapter-0', 50051).sort()).toEqual([
      'agent-worker',
      'autoscaler',
      'gateway',
      'tool-browser',
      'tool-visit',
    ]);
    expect(release.reachedBy('adapter-0', 8000)).toEqual([]);
  });

  it('keeps groups of one release from each other', () => {
    const release = new Release('gpu-a100-4');
    expect(release.reach('adapter-0', 50051)).toEqual([]);
    const callers = ['agent-worker', 'gateway', 'tool-browser', 'tool-visit'];
    expect(release.reachedBy('adapter-1', 50051).sort()).toEqual(callers);
    expect(release.reachedBy('adapter-1', 8000)).toEqual([]);
  });
});
