import { Controller, Get, Inject, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Report } from '#domain';
import { InvalidState } from '#errors';
import type { Runs } from '#runs';
import { type Caller, From, Needs } from '../access/caller.ts';
import { Describes, runParam } from '../openapi/operation.ts';
import { RUNS } from '../tokens.ts';
import { renderDocx } from './docx.ts';
import { renderPdf } from './pdf.ts';

const docxType = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';

/** Reports as files for people. Written when they are asked for: some milliseconds. */
@Controller('v1/research')
export class ExportsController {
  readonly #runs: Runs;

  constructor(@Inject(RUNS) runs: Runs) {
    this.#runs = runs;
  }

  @Get(':id/report.docx')
  @Needs('research:read')
  @Describes({
    summary: 'The report as a Word document',
    description: 'Citations are footnotes with their quotations, addresses are links.',
    params: runParam,
    answers: { 200: { type: docxType, description: 'For people.' } },
    faults: ['invalid_state'],
  })
  async docx(@From() { tenantId }: Caller, @Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    await reply.header('content-type', docxType).send(renderDocx(await this.#reportOf(tenantId, id)));
  }

  @Get(':id/report.pdf')
  @Needs('research:read')
  @Describes({
    summary: 'The report as a PDF',
    description:
      'Citations link to their quotations at the end, addresses are links. For the scripts of western Europe; 409 `invalid_state` names what else a report holds, for which there is `report.docx`.',
    params: runParam,
    answers: { 200: { type: 'application/pdf', description: 'For people.' } },
    faults: ['invalid_state'],
  })
  async pdf(@From() { tenantId }: Caller, @Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    await reply.header('content-type', 'application/pdf').send(renderPdf(await this.#reportOf(tenantId, id)));
  }

  async #reportOf(tenantId: string, id: string): Promise<Report> {
    const { report, status } = await this.#runs.get(tenantId, id);
    if (report === null) throw new InvalidState(`Run ${id} is ${status} and has no report.`);
    return report;
  }
}
