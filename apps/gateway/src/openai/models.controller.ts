import { Controller, Get, Inject, Param } from '@nestjs/common';
import type { ModelList, ModelResource } from '#contracts';
import { type Offer, offeredModel } from '../acceptance.ts';
import { Needs } from '../access/caller.ts';
import { Describes } from '../openapi/operation.ts';
import { OFFER } from '../tokens.ts';
import { listModels, retrieveModel } from './operations.ts';

/** The models that a request may name. */
@Controller('v1/models')
export class ModelsController {
  readonly #offer: Offer;

  constructor(@Inject(OFFER) offer: Offer) {
    this.#offer = offer;
  }

  @Get()
  @Needs('research:read')
  @Describes(listModels)
  list(): ModelList {
    return { object: 'list', data: [...this.#offer.models.keys()].map((name) => this.#show(name)) };
  }

  @Get(':id')
  @Needs('research:read')
  @Describes(retrieveModel)
  get(@Param('id') id: string): ModelResource {
    return this.#show(id);
  }

  /** @throws ModelUnavailable */
  #show(id: string): ModelResource {
    const { isLanguageModel, contextTokens } = offeredModel(id, this.#offer);
    const isDefault = id === this.#offer.defaultModel;
    return {
      id,
      object: 'model',
      created: 0,
      owned_by: 'argosy',
      argosy: { language_model: isLanguageModel, context_tokens: contextTokens, default: isDefault },
    };
  }
}
