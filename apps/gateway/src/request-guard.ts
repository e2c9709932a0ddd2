import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { InvalidInput, NotFound, type Problem } from '#errors';
import { describedBy } from './openapi/operation.ts';

/** Refuses what a route does not say that it takes, rather than ignore it. */
export class RequestGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { params, query, body } = context.switchToHttp().getRequest<FastifyRequest>();
    for (const part of Object.values(params ?? {})) {
      // Nothing has a name that the database cannot even be asked for: it takes no NUL.
      if (typeof part === 'string' && /\p{Cc}/u.test(part)) throw new NotFound('There is nothing under such a name.');
    }
    const operation = describedBy(context.getHandler());
    if (operation === undefined || operation.lenient) return true;
    const strange = operation.query === undefined ? Object.keys(query ?? {}) : [];
    const problems: Problem[] = strange.map((path) => ({ path, message: 'this route takes no query parameters' }));
    if (operation.body === undefined && body !== undefined && body !== null) {
      problems.push({ path: '', message: 'this route takes no body' });
    }
    if (problems.length > 0) throw new InvalidInput(problems.slice(0, 100));
    return true;
  }
}
