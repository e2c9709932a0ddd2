import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { NotFound } from '#errors';
import { answerHealth, type Health } from '#platform';
import { Open } from './access/caller.ts';
import { HEALTH } from './tokens.ts';

/** What the other roles serve on a port of their own. */
@Controller()
export class HealthController {
  readonly #health: Health;

  constructor(@Inject(HEALTH) health: Health) {
    this.#health = health;
  }

  @Get(['healthz', 'readyz', 'metrics'])
  @Open()
  async answer(@Req() { routeOptions }: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const answer = await answerHealth(routeOptions.url ?? '', this.#health);
    if (answer === null) throw new NotFound('This process has no metrics.');
    const { status, contentType, body } = answer;
    await reply.status(status).header('content-type', contentType).header('cache-control', 'no-store').send(body);
  }
}
