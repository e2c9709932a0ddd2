import { addAbortSignal, Readable } from 'node:stream';
import {
  Body,
  Controller,
  Get,
  HttpCode,
  Inject,
  Param,
  PayloadTooLargeException,
  Post,
  Put,
  Query,
  Req,
  UnsupportedMediaTypeException,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  type CorpusResource,
  corpusBody,
  fileHash,
  fileLimit,
  pageQuery,
  parseInput,
  parseLargeInput,
} from '#contracts';
import { Aborted } from '#errors';
import type { OfferedCorpus, Runs } from '#runs';
import { type Caller, From, Needs } from './access/caller.ts';
import { RUNS } from './tokens.ts';

/** How long a client may take to send one file. */
const uploadMs = 600_000;

const fileParams = z.object({ sha256: fileHash });

/** Folders of clients: named by their files' hashes, then sent file by file. */
@Controller('v1/corpora')
export class CorporaController {
  readonly #runs: Runs;

  constructor(@Inject(RUNS) runs: Runs) {
    this.#runs = runs;
  }

  @Post()
  @HttpCode(200)
  @Needs('corpora:write')
  async offer(@From() { tenantId }: Caller, @Body() raw: unknown): Promise<CorpusResource> {
    const { name, files } = await parseLargeInput(corpusBody, raw);
    return toCorpusResource(await this.#runs.corpora.offer(tenantId, name, files));
  }

  @Get()
  @Needs('corpora:read')
  async list(
    @From() { tenantId }: Caller,
    @Query() query: unknown,
  ): Promise<{ data: CorpusResource[]; next: string | null }> {
    const { before, limit } = parseInput(pageQuery, query);
    const corpora = await this.#runs.corpora.list(tenantId, before ?? null, limit);
    const next = corpora.length === limit ? (corpora.at(-1)?.corpusId ?? null) : null;
    return { data: corpora.map((corpus) => toCorpusResource({ ...corpus, missing: [] })), next };
  }

  @Get(':id')
  @Needs('corpora:read')
  async get(@From() { tenantId }: Caller, @Param('id') id: string): Promise<CorpusResource> {
    return toCorpusResource(await this.#runs.corpora.get(tenantId, id));
  }

  @Put('files/:sha256')
  @HttpCode(204)
  @Needs('corpora:write')
  async put(@From() { tenantId }: Caller, @Param() params: unknown, @Req() request: FastifyRequest): Promise<void> {
    const { sha256 } = parseInput(fileParams, params);
    const { body } = request;
    if (!(body instanceof Readable))
      throw new UnsupportedMediaTypeException('Send the bytes as application/octet-stream.');
    if (Number(request.headers['content-length'] ?? 0) > fileLimit) {
      throw new PayloadTooLargeException(`A file of a corpus has at most ${fileLimit} bytes.`);
    }
    addAbortSignal(AbortSignal.timeout(uploadMs), body);
    try {
      // A client that is refused in the middle still gets its answer, so its connection must live.
      await this.#runs.corpora.putFile(tenantId, sha256, body.iterator({ destroyOnReturn: false }));
    } catch (error) {
      if (body.destroyed && !body.readableEnded)
        throw new Aborted(`The client stopped sending ${sha256}.`, { cause: error });
      throw error;
    }
  }
}

function toCorpusResource(corpus: OfferedCorpus): CorpusResource {
  const { corpusId: id, createdAt: created_at, missing, skips, ...rest } = corpus;
  return { id, ...rest, missing: [...missing], skips: [...skips], created_at };
}
