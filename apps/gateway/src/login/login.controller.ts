import { Body, Controller, Delete, Get, HttpCode, Inject, Post } from '@nestjs/common';
import {
  type BegunLogin,
  begunLogin,
  finishBody,
  type GivenLogin,
  givenLogin,
  parseInput,
  type WaysIn,
  waysIn,
} from '#contracts';
import { InvalidState } from '#errors';
import type { ApiKeys } from '#runs';
import { type Caller, From, Needs, Open } from '../access/caller.ts';
import { Describes } from '../openapi/operation.ts';
import { KEYS, LOGINS } from '../tokens.ts';
import type { Logins } from './logins.ts';

/** How people come by a key without anybody making them one. */
@Controller('v1/login')
export class LoginController {
  readonly #keys: ApiKeys | null;
  readonly #logins: Logins | null;

  constructor(@Inject(KEYS) keys: ApiKeys | null, @Inject(LOGINS) logins: Logins | null) {
    this.#keys = keys;
    this.#logins = logins;
  }

  @Get()
  @Open()
  @Describes({ summary: 'How to come by a key', answers: { 200: waysIn } })
  async ways(): Promise<WaysIn> {
    return { key: this.#keys !== null, oidc: (await this.#logins?.way()) ?? null };
  }

  @Post()
  @HttpCode(200)
  @Open()
  @Describes({
    summary: 'Begin to log in',
    description: 'By the identity provider, as the console does it: authorization code, PKCE, state and nonce.',
    answers: { 200: begunLogin },
    faults: ['invalid_state'],
  })
  async begin(): Promise<BegunLogin> {
    return await this.#open().begin();
  }

  @Post('finish')
  @HttpCode(201)
  @Open()
  @Describes({
    summary: 'Finish to log in',
    description: 'The answer holds a key that ends by itself after some hours.',
    body: finishBody,
    answers: { 201: givenLogin },
    faults: ['invalid_state', 'login_refused', 'overloaded'],
  })
  async finish(@Body() raw: unknown): Promise<GivenLogin> {
    const { ticket, query } = parseInput(finishBody, raw);
    return await this.#open().finish(ticket, query);
  }

  @Delete()
  @HttpCode(204)
  @Needs('research:read')
  @Describes({
    summary: 'Log out',
    description: 'Ends the login whose key asks, within five seconds, with the event streams that it opened.',
    answers: { 204: null },
    faults: ['invalid_state'],
  })
  async end(@From() { tenantId, keyId }: Caller): Promise<void> {
    if (this.#keys === null || keyId === null) throw new InvalidState(noKeys);
    await this.#keys.logOut(tenantId, keyId);
  }

  #open(): Logins {
    if (this.#logins !== null) return this.#logins;
    throw new InvalidState('Nobody logs in here by an identity provider: this server runs without ARGOSY_OIDC_ISSUER.');
  }
}

const noKeys = 'This server asks for no keys, so there is nothing to log out of.';
