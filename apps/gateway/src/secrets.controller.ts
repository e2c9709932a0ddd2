import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put } from '@nestjs/common';
import { parseInput, type SecretList, type SecretResource, secretBody, secretList, secretResource } from '#contracts';
import { InvalidInput, InvalidState } from '#errors';
import type { Secrets } from '#runs';
import { by, type Caller, From, Needs } from './access/caller.ts';
import { Describes } from './openapi/operation.ts';
import { SECRETS } from './tokens.ts';

/** Secrets as a gateway offers to keep them. */
export interface OfferedSecrets {
  readonly store: Secrets;
  /** Those that something uses; no others are taken. */
  readonly names: readonly string[];
}

const nameParam = {
  name: {
    description: 'What the secret is for: `search.` and the name of a search provider that takes a key.',
    example: 'search.brave',
  },
};

/** What the caller's tenant brings to be used for it alone, such as its keys at search providers: written, never read. */
@Controller('v1/secrets')
export class SecretsController {
  readonly #secrets: OfferedSecrets | null;

  constructor(@Inject(SECRETS) secrets: OfferedSecrets | null) {
    this.#secrets = secrets;
  }

  @Put(':name')
  @Needs('secrets:admin')
  @Describes({
    summary: 'Set a secret',
    description:
      'In place of the one of that name. Calls use it within five seconds. A key at a search provider goes before the one of the deployment.',
    params: nameParam,
    body: secretBody,
    answers: { 200: secretResource },
    faults: ['invalid_state'],
  })
  async set(@From() caller: Caller, @Param('name') name: string, @Body() raw: unknown): Promise<SecretResource> {
    const { store, names } = this.#open();
    if (!names.includes(name)) {
      // A secret that somebody took for its name is not repeated.
      const message = `nothing uses a secret of this name; known are ${names.join(', ')}`;
      throw new InvalidInput([{ path: 'name', message }]);
    }
    const { value } = parseInput(secretBody, raw);
    return await store.set(by(caller), name, value);
  }

  @Get()
  @Needs('secrets:admin')
  @Describes({
    summary: 'List secrets, by name',
    description: 'Names and times; what they hold is never told.',
    answers: { 200: secretList },
    faults: ['invalid_state'],
  })
  async list(@From() { tenantId }: Caller): Promise<SecretList> {
    return { data: await this.#open().store.list(tenantId) };
  }

  @Delete(':name')
  @HttpCode(204)
  @Needs('secrets:admin')
  @Describes({
    summary: 'Delete a secret',
    description: 'No call uses it after five seconds.',
    params: nameParam,
    answers: { 204: null },
    faults: ['invalid_state'],
  })
  async remove(@From() caller: Caller, @Param('name') name: string): Promise<void> {
    await this.#open().store.remove(by(caller), name);
  }

  #open(): OfferedSecrets {
    if (this.#secrets !== null) return this.#secrets;
    throw new InvalidState('This server keeps no secrets.');
  }
}
