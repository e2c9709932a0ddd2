import { type CanActivate, type ExecutionContext, ForbiddenException } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { neededBy } from './caller.ts';

/** Lets a request to its route when its caller's scopes reach that far. Whatever says nothing of itself stays shut. */
export class ScopeGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const needed = neededBy(context);
    if (needed === 'open') return true;
    const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
    if (needed === undefined || caller === null) throw new ForbiddenException('Nobody is let in here.');
    if (caller.scopes.has(needed)) return true;
    throw new ForbiddenException(`This key lacks the scope ${needed}.`);
  }
}
