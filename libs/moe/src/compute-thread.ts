import { parentPort } from 'node:worker_threads';
import { messageOf } from '#errors';
import { plainKernels } from './block.ts';
import { Holdings } from './holdings.ts';
import type { Output, Reply, Request, Task } from './task.ts';

const port = parentPort;
if (!port) throw new Error('compute-thread belongs in a worker thread');
const holdings = new Holdings(plainKernels);

port.on('message', (request: Request) => {
  switch (request.kind) {
    case 'hold':
      holdings.hold(request.id, request.holding);
      return;
    case 'drop':
      holdings.drop(request.id);
      return;
    case 'run':
      answer(request.call, request.task);
  }
});

function answer(call: number, task: Task): void {
  const send = (reply: Reply, buffers: readonly ArrayBufferLike[] = []) =>
    port?.postMessage(reply, buffers as ArrayBuffer[]); // made by the kernels, never shared
  try {
    const output = holdings.run(task);
    send({ call, kind: 'done', output }, buffersOf(output));
  } catch (error) {
    send({ call, kind: 'failed', message: messageOf(error) });
  }
}

/** What is handed over in place of being copied. */
function buffersOf(output: Output): ArrayBufferLike[] {
  if (output.kind === 'rows') return [output.rows.buffer];
  const { residual, normed, routing } = output.block;
  const routed = routing === null ? [] : [routing.ids.buffer, routing.weights.buffer];
  return [residual.buffer, normed.buffer, ...routed];
}
