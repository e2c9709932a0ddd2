import { Controller, Get, Inject } from '@nestjs/common';
import { type AboutResource, aboutResource } from '#contracts';
import type { Runs } from '#runs';
import { type Offer, offeredModel, offerTo } from './acceptance.ts';
import { type Caller, From, Needs } from './access/caller.ts';
import { Describes } from './openapi/operation.ts';
import { OFFER, RUNS, TOOLS } from './tokens.ts';

/** What can be done with the tools of the gateway's own process. */
export type ToolsHere = NonNullable<AboutResource['tools']>;

/** Tells what runs work with here, so that people see before they ask what an answer will go without. */
@Controller('v1/about')
export class AboutController {
  readonly #runs: Runs;
  readonly #offer: Offer;
  readonly #tools: ToolsHere | null;

  constructor(@Inject(RUNS) runs: Runs, @Inject(OFFER) offer: Offer, @Inject(TOOLS) tools: ToolsHere | null) {
    this.#runs = runs;
    this.#offer = offer;
    this.#tools = tools;
  }

  @Get()
  @Needs('research:read')
  @Describes({
    summary: 'What works here, and what this server goes without',
    description: 'Names alone, as it was configured: nobody is asked whether they answer.',
    answers: { 200: aboutResource },
  })
  async about(@From() { tenantId }: Caller): Promise<AboutResource> {
    const settings = await this.#runs.tenants.settings(tenantId);
    const {
      models,
      defaultModel: id,
      readsPages = false,
      providers,
      narrowed,
    } = offerTo(this.#offer, settings.providers);
    const { isLanguageModel } = offeredModel(id, this.#offer);
    return {
      model: { id, language_model: isLanguageModel, reads_pages: readsPages && isLanguageModel },
      other_models: models.size - 1,
      search: { providers: [...providers], narrowed: narrowed ?? false },
      tools: this.#tools,
    };
  }
}
