import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { NotFound } from '#errors';

/** Nothing has a name that the database cannot even be asked for: it takes no NUL and no halves of surrogate pairs. */
export class PathGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { params } = context.switchToHttp().getRequest<FastifyRequest>();
    for (const part of Object.values(params ?? {})) {
      if (typeof part === 'string' && /\p{Cc}/u.test(part)) throw new NotFound('There is nothing under such a name.');
    }
    return true;
  }
}
