/**
 * Processes that stand for the pods of a Deployment and of its Service, driven as Kubernetes does: a new pod is ready by
 * its probe before an old one is told to go; the Service forgets that one, the pause of its preStop passes, it is asked to
 * end, and it is killed when its grace is over.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { RoleProcess } from '../chaos/role-process.ts';
import { eventually } from '../support/argosy.ts';
import type { PodShape } from './chart.ts';

/** A port that leads to whichever of its pods is ready. */
export class Service {
  readonly #server: Server;
  readonly #ready: number[] = [];
  readonly #sockets = new Set<Socket>();
  #turn = 0;

  private constructor() {
    this.#server = createServer((near) => this.#relay(near));
  }

  static async open(): Promise<Service> {
    const service = new Service();
    service.#server.listen(0, '127.0.0.1');
    await once(service.#server, 'listening');
    return service;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // what a listening server of TCP has
  }

  add(port: number): void {
    this.#ready.push(port);
  }

  /** No new connection goes there; those that there are stay. */
  remove(port: number): void {
    this.#ready.splice(this.#ready.indexOf(port), 1);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #relay(near: Socket): void {
    this.#turn += 1;
    const port = this.#ready[this.#turn % this.#ready.length];
    if (port === undefined) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy()).on('close', () => this.#sockets.delete(socket));
      socket.pipe(other);
    }
  }
}

/** What the chart says of how a pod comes and goes. */
export interface Manners {
  readonly probePath: string;
  readonly preStopMs: number;
  readonly graceMs: number;
  /** Its settings in the chart, without secrets. */
  readonly env: Readonly<Record<string, string>>;
}

export function mannersOf({ spec }: PodShape): Manners {
  const [container] = spec.containers;
  const probe = (container as { readinessProbe?: { httpGet?: { path?: string } } } | undefined)?.readinessProbe; // a container's
  return {
    probePath: probe?.httpGet?.path ?? '',
    preStopMs: (container?.lifecycle?.preStop?.sleep?.seconds ?? 0) * 1000,
    graceMs: (spec.terminationGracePeriodSeconds ?? 30) * 1000,
    env: Object.fromEntries(
      (container?.env ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
    ),
  };
}

interface Pod {
  readonly process: RoleProcess;
  readonly port: number;
}

/** Starts the next pod. */
type Starter = () => Promise<RoleProcess>;

export class Deployment {
  readonly #manners: Manners;
  readonly #start: Starter;
  readonly #service: Service | null;
  readonly #pods: Pod[] = [];
  /** Pods that were killed because their grace was over. */
  killed = 0;

  constructor(manners: Manners, start: Starter, service: Service | null = null) {
    this.#manners = manners;
    this.#start = start;
    this.#service = service;
  }

  async scale(replicas: number): Promise<void> {
    await Promise.all(Array.from({ length: replicas }, async () => await this.#add()));
  }

  /** Replaces every pod by a new one, one after the other. */
  async roll(): Promise<void> {
    for (const old of [...this.#pods]) {
      await this.#add();
      await this.#remove(old);
    }
  }

  async #add(): Promise<void> {
    const process = await this.#start();
    const probePort = await process.ready();
    await eventually(async () => {
      const url = `http://127.0.0.1:${probePort}${this.#manners.probePath}`;
      const response = await fetch(url).catch(() => null);
      await response?.arrayBuffer();
      return response?.status === 200 ? true : null;
    }, `${process.name} to be ready:\n${process.lastWords}`);
    const port = process.role === 'egress' ? Number((await process.said('proxy listens'))['port']) : probePort;
    this.#service?.add(port);
    this.#pods.push({ process, port });
  }

  async #remove(pod: Pod): Promise<void> {
    this.#pods.splice(this.#pods.indexOf(pod), 1);
    this.#service?.remove(pod.port);
    await pause(this.#manners.preStopMs);
    pod.process.kill('SIGTERM');
    const timer = setTimeout(() => {
      this.killed += 1;
      pod.process.kill('SIGKILL');
    }, this.#manners.graceMs - this.#manners.preStopMs);
    await pod.process.ended;
    clearTimeout(timer);
  }
}
