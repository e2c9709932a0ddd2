import { SetMetadata } from '@nestjs/common';
import type { z } from 'zod';
import type { FaultCode } from '../faults.ts';

/** Something in words, with an example. */
export interface Described {
  readonly description: string;
  readonly example: string;
}

/** What a body or an answer holds. A schema has a name, a description and an example of its own. */
export type Content =
  | z.ZodType
  | {
      /** Such as `text/markdown`; other than JSON, it is described in words. */
      readonly type: string;
      readonly description: string;
      /** Left out where it is bytes. */
      readonly example?: string;
    };

/** How errors of some routes are told. */
export interface ErrorForm {
  readonly schema: z.ZodType;
  statusOf(code: FaultCode): number;
  example(code: FaultCode, message: string): unknown;
}

/** A route as clients are told of it, at `/openapi.json`. What it does not name, it refuses. */
export interface Operation {
  /** A few words. */
  readonly summary: string;
  readonly description?: string;
  readonly params?: Readonly<Record<string, Described>>;
  /** Each field with a description and an example. Without one, no query is taken. */
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  /** Without one, no body is taken. */
  readonly body?: Content;
  /** What is answered when all goes well: the status, and what comes with it, in one of some forms; null for nothing. */
  readonly answers: Readonly<Record<number, Content | readonly [Content, ...Content[]] | null>>;
  /** Errors of its own; those that any route may answer with are added. */
  readonly faults?: readonly FaultCode[];
  /** Default: the API's own. */
  readonly errors?: ErrorForm;
  /** Probes put all sorts of things behind a `?`. */
  readonly lenient?: boolean;
}

const operationOf = Symbol('operation');

/** Says of a route what it takes and gives. */
export const Describes = (operation: Operation) => SetMetadata(operationOf, operation);

/** What a handler says of itself. */
export function describedBy(handler: object): Operation | undefined {
  return Reflect.getMetadata(operationOf, handler);
}

/** The id of a run in a path. */
export const runParam: Readonly<Record<'id', Described>> = {
  id: { description: 'The id of a run.', example: 'run_019c0d2f4a10a1b2c3d4e5f60718293a' },
};
