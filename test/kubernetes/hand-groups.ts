/** Inference groups in memory, over real gRPC: sessions come and go as a test says. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import { inference } from '#contracts/rpc';
import type { Work } from '#runs';
import type { Programs } from './fake-kubelet.ts';

type LoadCall = ServerWritableStream<inference.WatchLoadRequest, inference.WatchLoadResponse>;

interface HandGroup {
  sessions: number;
  /** Sessions of which a reply is generated. */
  running: number;
  kvTokens: number;
  draining: boolean;
  /** How often it said its load. */
  told: number;
  readonly server: Server;
}

const toldEveryMs = 20;

export class HandGroups implements Programs {
  /** Runs that have no session yet. */
  waiting = 0;
  /** Groups that were told to end while they generated. */
  readonly broken: string[] = [];
  /** How long each group was told that it may drain, in ms, the latest last. */
  readonly limits: { readonly set: string; readonly deadlineMs: number }[] = [];
  /** How far the clock of the runs is ahead of this machine's, in ms. */
  aheadMs = 0;
  /** Groups that say nothing of their load. */
  readonly mute = new Set<string>();
  readonly #folder = mkdtempSync(join(tmpdir(), 'argosy-groups-'));
  readonly #groups = new Map<string, HandGroup>();

  addressOf(set: string): string {
    return `unix:${join(this.#folder, set)}`;
  }

  /** The coordinator of a group is its pod 0. */
  async start(pod: string): Promise<void> {
    const [, set = '', ordinal] = /^(.*)-(\d+)$/.exec(pod) ?? [];
    if (ordinal !== '0') return;
    const server = new Server();
    const group = { sessions: 0, running: 0, kvTokens: 0, draining: false, told: 0, server };
    server.addService(inference.InferenceServiceService, {
      watchLoad: (call: LoadCall) => this.#tell(set, group, call),
      drain: (call: ServerWritableStream<inference.DrainRequest, inference.DrainResponse>) => {
        group.draining = !call.request.cancel;
        if (group.draining) this.limits.push({ set, deadlineMs: call.request.deadlineMs });
        const { sessions, running } = group;
        call.write({ residentSessions: sessions, running, done: sessions === 0 });
      },
    } as Partial<inference.InferenceServiceServer> as inference.InferenceServiceServer); // what is asked is there
    await new Promise<void>((resolve, reject) => {
      const bound = (error: Error | null): void => (error === null ? resolve() : reject(error));
      server.bindAsync(this.addressOf(set), ServerCredentials.createInsecure(), bound);
    });
    this.#groups.set(set, group);
  }

  async stop(pod: string): Promise<void> {
    const set = pod.replace(/-0$/, '');
    const group = this.#groups.get(set);
    if (group === undefined) return;
    this.#groups.delete(set);
    if (group.running > 0) this.broken.push(set);
    group.server.forceShutdown();
  }

  /** Groups that serve, by name. */
  get up(): readonly string[] {
    return [...this.#groups.keys()].sort();
  }

  get draining(): readonly string[] {
    return this.up.filter((set) => this.#groups.get(set)?.draining);
  }

  /** How often the group that said its load least often has said it. */
  get told(): number {
    return Math.min(...[...this.#groups.values()].map(({ told }) => told));
  }

  /** Has a group hold so many sessions, with so many tokens together, and generate for all or some of them. */
  hold(set: string, sessions: number, kvTokens: number, running = sessions): void {
    const group = this.#groups.get(set);
    if (group === undefined) throw new Error(`${set} is not up`);
    Object.assign(group, { sessions, kvTokens, running });
  }

  async work(): Promise<Work> {
    const active = [...this.#groups.values()].reduce((sum, { sessions }) => sum + sessions, 0);
    return { atMs: Date.now() + this.aheadMs, waiting: this.waiting, active, oldestWaitMs: 0, arrived: 0, finished: 0 };
  }

  close(): void {
    for (const { server } of this.#groups.values()) server.forceShutdown();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #tell(set: string, group: HandGroup, call: LoadCall): void {
    const tell = (): void => {
      if (this.mute.has(set)) return;
      const { sessions, running, kvTokens: kvUsedTokens, draining } = group;
      const known = { running, waiting: 0, residentSessions: sessions, kvUsedTokens, draining };
      call.write(inference.WatchLoadResponse.fromPartial(known));
      group.told += 1;
    };
    const timer = setInterval(tell, toldEveryMs);
    call.on('cancelled', () => clearInterval(timer)).on('close', () => clearInterval(timer));
    tell();
  }
}
