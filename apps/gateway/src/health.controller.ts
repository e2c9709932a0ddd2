import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { NotFound } from '#errors';
import { answerHealth, type Health } from '#platform';
import { Open } from './access/caller.ts';
import { Describes } from './openapi/operation.ts';
import { HEALTH } from './tokens.ts';

const well = z
  .object({ status: z.literal('ok') })
  .meta({ id: 'Well', description: 'All is well.', examples: [{ status: 'ok' }] });
const notReady = z.object({ status: z.literal('not_ready'), reason: z.string() }).meta({
  id: 'NotReady',
  description: 'Alive, and not able to serve now.',
  examples: [{ status: 'not_ready', reason: 'The database does not answer.' }],
});

/** What the other roles serve on a port of their own. */
@Controller()
export class HealthController {
  readonly #health: Health;

  constructor(@Inject(HEALTH) health: Health) {
    this.#health = health;
  }

  @Get('healthz')
  @Open()
  @Describes({ summary: 'Whether the process is alive', lenient: true, answers: { 200: well } })
  async alive(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.#answer(request, reply);
  }

  @Get('readyz')
  @Open()
  @Describes({ summary: 'Whether the process can serve', lenient: true, answers: { 200: well, 503: notReady } })
  async ready(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.#answer(request, reply);
  }

  @Get('metrics')
  @Open()
  @Describes({
    summary: 'What the process measures',
    lenient: true,
    answers: { 200: { type: 'text/plain', description: 'Text format of Prometheus.', example: 'argosy_x_total 1\n' } },
    faults: ['not_found'],
  })
  async metrics(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.#answer(request, reply);
  }

  async #answer({ routeOptions }: FastifyRequest, reply: FastifyReply): Promise<void> {
    const answer = await answerHealth(routeOptions.url ?? '', this.#health);
    if (answer === null) throw new NotFound('This process has no metrics.');
    const { status, contentType, body } = answer;
    await reply.status(status).header('content-type', contentType).header('cache-control', 'no-store').send(body);
  }
}
