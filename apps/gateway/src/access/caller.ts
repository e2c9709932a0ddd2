import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import type { Scope } from '#contracts';
import type { Limits } from '#runs';

/** Who sent a request. Whatever a route reads or writes belongs to this tenant; no request names another. */
export interface Caller {
  readonly tenantId: string;
  /** Null where no keys are asked for. Names the caller in the audit log. */
  readonly keyId: string | null;
  readonly scopes: ReadonlySet<Scope>;
  /** What its tenant may use; null: as much as it likes. */
  readonly limits: Limits | null;
  /** Fires when this caller may do nothing any more: whatever was begun for it is to end. */
  readonly ends: AbortSignal;
}

/** Whose log it goes into that a caller did something, and as what the caller stands there. */
export function by({ tenantId, keyId }: Caller): { readonly tenantId: string; readonly actor: string } {
  return { tenantId, actor: keyId ?? 'operator' };
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the caller is known, and on routes that are open to everyone. */
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    /** The route is open to everyone. */
    open?: boolean;
  }
}

const neededScope = Symbol('needed scope');

/** Names the scope without which a route refuses its caller. A route that names none and is not open serves nobody. */
export const Needs = (scope: Scope) => SetMetadata(neededScope, scope);

/** Serves whoever asks. */
export const Open = () => applyDecorators(SetMetadata(neededScope, 'open'), RouteConfig({ open: true }));

/** The scope that the route of this request needs; undefined where it names none. */
export function neededBy(context: ExecutionContext): Scope | 'open' | undefined {
  return scopeOf(context.getHandler());
}

/** The scope that a handler names. */
export function scopeOf(handler: object): Scope | 'open' | undefined {
  return Reflect.getMetadata(neededScope, handler);
}

/** The parameter of a handler that is given its {@link Caller}. */
export const From = createParamDecorator((_: undefined, context: ExecutionContext): Caller => {
  const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
  if (caller === null) throw new Error('A route without a caller asked who it is.');
  return caller;
});
