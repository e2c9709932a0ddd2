import { Unavailable } from '#errors';
import { type ComputeBackend, plainArithmetic } from './backend.ts';
import { type Kernels, plainKernels } from './block.ts';
import { Holdings } from './holdings.ts';
import { pageLength } from './kernels/attention.ts';
import { blockIn, bytesOf, type Holding, rowsIn, type Task } from './task.ts';

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
  const run = async (task: Task) => open().run(task);
  return {
    name: 'plain',
    arithmetic: plainArithmetic,
    loadExpert: async (weights) => hold({ kind: 'expert', weights }),
    runExpert: async ({ id }, x, rows) => rowsIn(await run({ kind: 'expert', id, x, rows })),
    loadBlock: async (weights, shape) => hold({ kind: 'block', weights, shape }),
    runBlock: async ({ id }, x, spans) => {
      const byId = spans.map(({ pages, ...span }) => ({ ...span, pages: pages.map((page) => page.id) }));
      return blockIn(await run({ kind: 'block', id, x, spans: byId }));
    },
    loadHead: async (weights) => hold({ kind: 'head', weights }),
    runHead: async ({ id }, x, rows) => rowsIn(await run({ kind: 'head', id, x, rows })),
    openPage: (layers, shape) => hold({ kind: 'page', data: new Float32Array(pageLength(layers, shape)) }),
    free: ({ id }) => holdings?.drop(id),
    close: async () => {
      holdings = null;
    },
  };
}
