import type { BlockOutput, BlockShape, BlockWeights, HeadWeights } from './block.ts';
import type { HeadShape } from './kernels/attention.ts';
import type { ExpertWeights } from './kernels/feed-forward.ts';

/** Something that a backend holds until it is freed. Belongs to the backend that made it. */
interface Resident<Kind extends string> {
  readonly kind: Kind;
  readonly id: number;
  /** Memory held, weights as the backend keeps them. */
  readonly bytes: number;
}

export type ResidentExpert = Resident<'expert'>;
export type ResidentBlock = Resident<'block'>;
export type ResidentHead = Resident<'head'>;
/** Room for the keys and values of PAGE_TOKENS tokens over all layers. */
export type ResidentPage = Resident<'page'>;
export type ResidentAny = ResidentExpert | ResidentBlock | ResidentHead | ResidentPage;

/**
 * Rows of one sequence in a batch. Its pages, in order, hold the keys and values of the tokens before `position` and
 * receive those of the rows.
 */
export interface Span {
  readonly pages: readonly ResidentPage[];
  readonly position: number;
  readonly rows: number;
}

/**
 * Of the kernels in this lib: double precision, whose exponential is V8's own. The number grows when a kernel adds in
 * another order than before.
 */
export const plainArithmetic = `plain-1, V8 ${process.versions.v8}, ${process.arch}`;

/**
 * Where arithmetic happens. Weights are loaded once and stay; activations go in and out by the call, so that threads or
 * a GPU can join. A row gives the same bits alone and in any batch. Calls may overlap, except that what one writes into a
 * page no other may read.
 * @throws Unavailable from any call once the backend is closed or its threads have died
 */
export interface ComputeBackend {
  readonly name: string;
  /** What its bits follow from. Two backends that say the same give the same bits; of others nobody knows. */
  readonly arithmetic: string;
  loadExpert(weights: ExpertWeights): Promise<ResidentExpert>;
  /** @param x [rows, hidden] @returns [rows, hidden] */
  runExpert(expert: ResidentExpert, x: Float32Array, rows: number): Promise<Float32Array>;
  loadBlock(weights: BlockWeights, shape: BlockShape): Promise<ResidentBlock>;
  /** @param x [rows, hidden], the rows of the spans one after another */
  runBlock(block: ResidentBlock, x: Float32Array, spans: readonly Span[]): Promise<BlockOutput>;
  loadHead(weights: HeadWeights): Promise<ResidentHead>;
  /** @param x [rows, hidden] @returns logits [rows, vocabulary] */
  runHead(head: ResidentHead, x: Float32Array, rows: number): Promise<Float32Array>;
  openPage(layers: number, shape: HeadShape): ResidentPage;
  /** Calls under way that use it still end well. */
  free(resident: ResidentAny): void;
  close(): Promise<void>;
}
