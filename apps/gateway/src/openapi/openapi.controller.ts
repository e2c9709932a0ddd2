import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Open } from '../access/caller.ts';
import { DOCUMENT } from '../tokens.ts';
import { Describes } from './operation.ts';

/** The description of the API, from what its routes say of themselves. */
@Controller()
export class OpenApiController {
  readonly #write: () => object;
  #text: string | null = null;

  /** @param write is called at the first request: nobody waits for it at the start of a process */
  constructor(@Inject(DOCUMENT) write: () => object) {
    this.#write = write;
  }

  @Get('openapi.json')
  @Open()
  @Describes({
    summary: 'This document',
    answers: { 200: { type: 'application/json', description: 'OpenAPI 3.1.' } },
  })
  async document(@Res() reply: FastifyReply): Promise<void> {
    this.#text ??= JSON.stringify(this.#write());
    await reply.header('content-type', 'application/json; charset=utf-8').send(this.#text);
  }
}
