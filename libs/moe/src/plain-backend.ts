import { Unavailable } from '#errors';
import type { ComputeBackend, ResidentAny, Span } from './backend.ts';
import { type Kernels, plainKernels } from './block.ts';
import { type Holding, Holdings } from './holdings.ts';

/**
 * Computes on the calling thread, whose event loop it holds: for tests and for tools that do nothing beside.
 * @param kernels others than the plain ones in mutation tests only
 */
export function plainBackend(kernels: Kernels = plainKernels): ComputeBackend {
  let holdings: Holdings | null = new Holdings(kernels);
  let lastId = 0;
  const open = (): Holdings => {
    if (holdings === null) throw new Unavailable('The compute backend is closed.');
    return holdings;
  };
  const hold = <H extends Holding>(holding: H) => {
    open().hold(++lastId, holding);
    return { kind: holding.kind as H['kind'], id: lastId, bytes: bytesOf(holding) };
  };
  return {
    name: 'plain',
    loadExpert: async (weights) => hold({ kind: 'expert', weights }),
    runExpert: async ({ id }, x, rows) => open().feedForward({ kind: 'expert', id, x, rows }),
    loadBlock: async (weights, shape) => hold({ kind: 'block', weights, shape }),
    runBlock: async ({ id }, x, spans) => open().block({ kind: 'block', id, x, spans: spans.map(spanById) }),
    loadHead: async (weights) => hold({ kind: 'head', weights }),
    runHead: async ({ id }, x, rows) => open().head({ kind: 'head', id, x, rows }),
    openCache: (layers, shape) => hold({ kind: 'cache', layers, shape }),
    free: ({ id }: ResidentAny) => holdings?.drop(id),
    close: async () => {
      holdings = null;
    },
  };
}

function spanById({ cache, position, rows }: Span) {
  return { cache: cache.id, position, rows };
}

/** Of the weights. */
function bytesOf(holding: Holding): number {
  if (holding.kind === 'cache') return 0;
  const parts: readonly unknown[] = Object.values(holding.weights);
  return parts.reduce((sum: number, part) => sum + (ArrayBuffer.isView(part) ? part.byteLength : 0), 0);
}
