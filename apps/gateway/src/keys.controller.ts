import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import {
  type CreatedKeyResource,
  createdKeyResource,
  type KeyList,
  type KeyResource,
  keyBody,
  keyList,
  keyResource,
  pageQuery,
  parseInput,
} from '#contracts';
import { InvalidInput, InvalidState } from '#errors';
import type { ApiKeys } from '#runs';
import { by, type Caller, From, Needs } from './access/caller.ts';
import { Describes } from './openapi/operation.ts';
import { KEYS } from './tokens.ts';

/** The keys of the caller's tenant. */
@Controller('v1/keys')
export class KeysController {
  readonly #keys: ApiKeys | null;

  constructor(@Inject(KEYS) keys: ApiKeys | null) {
    this.#keys = keys;
  }

  @Post()
  @HttpCode(201)
  @Needs('keys:admin')
  @Describes({
    summary: 'Make a key',
    description: 'Up to 100 may live at the same time.',
    body: keyBody,
    answers: { 201: createdKeyResource },
    faults: ['invalid_state'],
  })
  async create(@From() caller: Caller, @Body() raw: unknown): Promise<CreatedKeyResource> {
    const { name, scopes, expires_at } = parseInput(keyBody, raw);
    const beyond = scopes.filter((scope) => !caller.scopes.has(scope));
    if (beyond.length > 0) {
      const message = `this key lacks ${beyond.join(', ')} itself; a key gives what it has and no more`;
      throw new InvalidInput([{ path: 'scopes', message }]);
    }
    const { key, text } = await this.#open().create(by(caller), { name, scopes, expiresAt: expires_at });
    return { ...key, key: text };
  }

  @Get()
  @Needs('keys:admin')
  @Describes({
    summary: 'List keys, newest first',
    description: 'Revoked and expired ones among them.',
    query: pageQuery,
    answers: { 200: keyList },
    faults: ['invalid_state'],
  })
  async list(@From() { tenantId }: Caller, @Query() query: unknown): Promise<KeyList> {
    const { before, limit } = parseInput(pageQuery, query);
    const keys = await this.#open().list(tenantId, before ?? null, limit);
    const next = keys.length === limit ? (keys.at(-1)?.id ?? null) : null;
    return { data: keys, next };
  }

  @Delete(':id')
  @Needs('keys:admin')
  @Describes({
    summary: 'Revoke a key',
    description: 'It ends within five seconds, with the event streams that it opened. It may be the key that asks.',
    params: { id: { description: 'The id of a key.', example: '0f1e2d3c4b5a6978' } },
    answers: { 200: keyResource },
    faults: ['invalid_state'],
  })
  async revoke(@From() caller: Caller, @Param('id') id: string): Promise<KeyResource> {
    return await this.#open().revoke(by(caller), id);
  }

  #open(): ApiKeys {
    if (this.#keys !== null) return this.#keys;
    throw new InvalidState('This server asks for no keys, so there are none: it runs without ARGOSY_KEY_PEPPER.');
  }
}
