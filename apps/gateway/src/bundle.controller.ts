import type { KeyObject } from 'node:crypto';
import { Controller, Get, Inject, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { sealBundle, writeTar } from '#contracts';
import { InvalidState } from '#errors';
import type { Runs } from '#runs';
import { type Caller, From, Needs } from './access/caller.ts';
import { Describes, runParam } from './openapi/operation.ts';
import { RUNS, SIGNING_KEY } from './tokens.ts';

@Controller('v1/research')
export class BundleController {
  readonly #runs: Runs;
  readonly #key: KeyObject;

  constructor(@Inject(RUNS) runs: Runs, @Inject(SIGNING_KEY) key: KeyObject) {
    this.#runs = runs;
    this.#key = key;
  }

  /**
   * Everything that it takes to check a report offline, sealed: the same bytes at every call, for as long as the key is the
   * same. Held in memory as a whole, about twice the size of the cited texts.
   */
  @Get(':id/bundle.tar')
  @Needs('research:read')
  @Describes({
    summary: 'All that it takes to check a report offline',
    description: 'Report, cited texts, transcript, usage and policy under one signature; the same bytes at every call.',
    params: runParam,
    answers: { 200: { type: 'application/x-tar', description: 'A tar archive; `argosy verify` reads it.' } },
    faults: ['invalid_state'],
  })
  async bundle(@From() { tenantId }: Caller, @Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    const { report, status, lost, endedAt } = await this.#runs.get(tenantId, id);
    if (report === null || endedAt === null) throw new InvalidState(`Run ${id} is ${status} and has no report.`);
    const hashes = report.sources.map(({ sha256 }) => sha256);
    const snapshots = await this.#runs.texts(tenantId, hashes);
    const { request, events } = await this.#runs.history(tenantId, id);
    const files = sealBundle({ report, request, events, lost, endedAt, snapshots }, this.#key);
    await reply.header('content-type', 'application/x-tar').send(writeTar(files, Date.parse(endedAt)));
  }
}
