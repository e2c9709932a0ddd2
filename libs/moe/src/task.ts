/** What backends keep and compute, by number: the words between a backend and whoever does its work. */
import type { BlockOutput, BlockShape, BlockWeights, HeadWeights } from './block.ts';
import type { ExpertWeights } from './kernels/feed-forward.ts';

/** What is held under a number. */
export type Holding =
  | { readonly kind: 'expert'; readonly weights: ExpertWeights }
  | { readonly kind: 'block'; readonly weights: BlockWeights; readonly shape: BlockShape }
  | { readonly kind: 'head'; readonly weights: HeadWeights }
  /** f32 [layers, 2 (keys, values), PAGE_TOKENS, kvHeads, headDim] */
  | { readonly kind: 'page'; readonly data: Float32Array };

/** Rows of one sequence, its pages by number. */
export interface SpanById {
  readonly pages: readonly number[];
  readonly position: number;
  readonly rows: number;
}

/** Work on what is held; `x` is f32 [rows, hidden]. */
export type Task =
  | { readonly kind: 'expert' | 'head'; readonly id: number; readonly x: Float32Array; readonly rows: number }
  | { readonly kind: 'block'; readonly id: number; readonly x: Float32Array; readonly spans: readonly SpanById[] };

/** `rows` of an expert or the head, `block` of a block. */
export type Output =
  | { readonly kind: 'rows'; readonly rows: Float32Array }
  | { readonly kind: 'block'; readonly block: BlockOutput };

/** What a compute thread is sent; in order, and only `run` is answered. */
export type Request =
  | { readonly kind: 'hold'; readonly id: number; readonly holding: Holding }
  | { readonly kind: 'drop'; readonly id: number }
  | { readonly kind: 'run'; readonly call: number; readonly task: Task };

/** What it posts back. */
export type Reply =
  | { readonly call: number; readonly kind: 'done'; readonly output: Output }
  | { readonly call: number; readonly kind: 'failed'; readonly message: string };

/** Memory of the numbers. */
export function bytesOf(holding: Holding): number {
  if (holding.kind === 'page') return holding.data.byteLength;
  const parts: readonly unknown[] = Object.values(holding.weights);
  return parts.reduce((sum: number, part) => sum + (ArrayBuffer.isView(part) ? part.byteLength : 0), 0);
}

/** @throws Error when it is none: a bug of the backend */
export function rowsIn(output: Output): Float32Array {
  if (output.kind === 'rows') return output.rows;
  throw new Error('a block was computed in place of rows');
}

/** @throws Error when it is none: a bug of the backend */
export function blockIn(output: Output): BlockOutput {
  if (output.kind === 'block') return output.block;
  throw new Error('rows were computed in place of a block');
}
