import { addAbortSignal, Readable } from 'node:stream';
import {
  Body,
  Controller,
  Delete,
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
  type CorpusList,
  type CorpusResource,
  corpusBody,
  corpusList,
  corpusResource,
  fileHash,
  fileLimit,
  pageQuery,
  parseInput,
  parseLargeInput,
} from '#contracts';
import { Aborted } from '#errors';
import type { OfferedCorpus, Runs } from '#runs';
import { by, type Caller, From, Needs } from './access/caller.ts';
import { readForm } from './form.ts';
import { Describes } from './openapi/operation.ts';
import { RUNS } from './tokens.ts';

/** How long a client may take to send one file. */
const uploadMs = 600_000;

/** Of one form: a folder with more is offered by its hashes. */
const formBounds = { files: 1_000, fileBytes: fileLimit, totalBytes: 512 * 1024 * 1024 };

const fileParams = z.object({ sha256: fileHash });

const corpusParam = { id: { description: 'The id of a corpus.', example: 'c_0123456789abcdef' } };

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
  @Describes({
    summary: 'Offer a folder of documents',
    description:
      'The answer lists the files that are missing; send each, then offer the folder again to have it indexed. The same name and files are the same corpus.',
    body: corpusBody,
    answers: { 200: corpusResource },
  })
  async offer(@From() { tenantId }: Caller, @Body() raw: unknown): Promise<CorpusResource> {
    const { name, files } = await parseLargeInput(corpusBody, raw);
    return toCorpusResource(await this.#runs.corpora.offer(tenantId, name, files));
  }

  @Get()
  @Needs('corpora:read')
  @Describes({ summary: 'List corpora, newest first', query: pageQuery, answers: { 200: corpusList } })
  async list(@From() { tenantId }: Caller, @Query() query: unknown): Promise<CorpusList> {
    const { before, limit } = parseInput(pageQuery, query);
    const corpora = await this.#runs.corpora.list(tenantId, before ?? null, limit);
    const next = corpora.length === limit ? (corpora.at(-1)?.corpusId ?? null) : null;
    return { data: corpora.map((corpus) => toCorpusResource({ ...corpus, missing: [] })), next };
  }

  @Get(':id')
  @Needs('corpora:read')
  @Describes({
    summary: 'How far a corpus is',
    params: corpusParam,
    answers: { 200: corpusResource },
  })
  async get(@From() { tenantId }: Caller, @Param('id') id: string): Promise<CorpusResource> {
    return toCorpusResource(await this.#runs.corpora.get(tenantId, id));
  }

  @Delete(':id')
  @HttpCode(204)
  @Needs('corpora:write')
  @Describes({
    summary: 'Delete a corpus',
    description: 'It is gone when this is answered, with its index and the files that no other corpus names.',
    params: corpusParam,
    answers: { 204: null },
  })
  async remove(@From() caller: Caller, @Param('id') corpusId: string): Promise<void> {
    await this.#runs.corpora.forget({ ...by(caller), corpusId });
  }

  @Post('files')
  @HttpCode(200)
  @Needs('corpora:write')
  @Describes({
    summary: 'Send a folder of documents at once',
    description:
      'A form with a field `name` and at most 1,000 files, each called by its `filename`, which may be a path; 512 MiB together. Nothing is kept of a form with a fault. A larger folder is offered by its hashes.',
    body: { type: 'multipart/form-data', description: 'A field `name`, and the files under any names.' },
    answers: { 200: corpusResource },
    faults: ['aborted'],
  })
  async send(@From() { tenantId, ends }: Caller, @Req() request: FastifyRequest): Promise<CorpusResource> {
    const body = bytesOf(request, ends, 'Send a form, as multipart/form-data.');
    const upload = this.#runs.corpora.upload(tenantId);
    try {
      const take = async (path: string, source: AsyncIterable<Uint8Array>) => await upload.add(path, source);
      const fields = await readForm(body, request.headers, formBounds, take);
      const offer = { ...Object.fromEntries(fields), files: upload.files };
      const { name, files } = await parseLargeInput(corpusBody, offer);
      return toCorpusResource(await this.#runs.corpora.offer(tenantId, name, files, upload));
    } catch (error) {
      await upload.drop().catch(() => undefined);
      throw error;
    }
  }

  @Put('files/:sha256')
  @HttpCode(204)
  @Needs('corpora:write')
  @Describes({
    summary: 'Send a missing file',
    description: 'At most 64 MiB, within ten minutes. 404 when no corpus names the file.',
    params: {
      sha256: {
        description: 'Of the bytes, 64 lower-case hex digits.',
        example: '5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9',
      },
    },
    body: { type: 'application/octet-stream', description: 'The bytes of the file.' },
    answers: { 204: null },
    faults: ['aborted', 'hash_mismatch'],
  })
  async put(
    @From() { tenantId, ends }: Caller,
    @Param() params: unknown,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    const { sha256 } = parseInput(fileParams, params);
    const body = bytesOf(request, ends, 'Send the bytes as application/octet-stream.');
    if (Number(request.headers['content-length'] ?? 0) > fileLimit) {
      throw new PayloadTooLargeException(`A file of a corpus has at most ${fileLimit} bytes.`);
    }
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

/** The body as it comes, until it took too long or the caller may no more. @param instead what to send in place of JSON */
function bytesOf({ body }: FastifyRequest, ends: AbortSignal, instead: string): Readable {
  if (!(body instanceof Readable)) throw new UnsupportedMediaTypeException(instead);
  return addAbortSignal(AbortSignal.any([AbortSignal.timeout(uploadMs), ends]), body);
}

function toCorpusResource(corpus: OfferedCorpus): CorpusResource {
  const { corpusId: id, createdAt: created_at, missing, skips, ...rest } = corpus;
  return { id, ...rest, missing: [...missing], skips: [...skips], created_at };
}
