import type { ExpertsResource } from '../libs.ts';

/** How many shades cells have; the darkest is for the busiest copy. */
export const shades = 8;

/** One copy of an expert. */
export interface Cell {
  readonly layer: number;
  readonly expert: number;
  /** Its position among the shards. */
  readonly shard: number;
  /** Others that hold the expert as well. */
  readonly others: readonly number[];
  /** Of a step, mean of the last ones: what falls to this copy when replicas share evenly. */
  readonly tokens: number;
}

/** Copies of experts as squares of one unit: a row for each layer, and side by side a block for each shard. */
export interface Heat {
  readonly width: number;
  readonly height: number;
  /** An SVG path for each shade; empty where nothing has it. */
  readonly paths: readonly string[];
  /** A mark on each copy that is not the only one. */
  readonly replicas: string;
  /** Where each shard's block begins, and how wide it is. */
  readonly blocks: readonly { readonly left: number; readonly width: number }[];
  /** Tokens of the busiest copy. */
  readonly most: number;
  /** What is drawn at a place; null between blocks, and where a shard has fewer experts of a layer than of another. */
  at(x: number, y: number): Cell | null;
}

/** Columns between two blocks. */
const gap = 2;
/** Of a square, so that there is a line between two: strokes would cost a browser many times as much. */
const side = 0.9;
/** Side of a replica's mark. */
const mark = 0.36;

/** Cost: one look at each copy, of which 48 layers of 128 experts have 6,144 and more. */
export function heatOf({ layers, shards }: Pick<ExpertsResource, 'layers' | 'shards'>): Heat {
  const rows = layers.map((layer) => shards.map((_, shard) => cellsOf(layer, shard)));
  const widths = shards.map((_, shard) => Math.max(0, ...rows.map((row) => row[shard]?.length ?? 0)));
  let left = 0;
  const blocks = widths.map((width) => {
    const block = { left, width };
    left += width + gap;
    return block;
  });
  const most = Math.max(0, ...rows.flat(2).map(({ tokens }) => tokens));
  const paths = Array.from({ length: shades }, () => '');
  let replicas = '';
  for (const [y, row] of rows.entries()) {
    for (const [shard, cells] of row.entries()) {
      for (const [column, { tokens, others }] of cells.entries()) {
        const x = (blocks[shard]?.left ?? 0) + column;
        paths[shadeOf(tokens, most)] += `M${x} ${y}h${side}v${side}h-${side}z`;
        if (others.length > 0)
          replicas += `M${x + (side - mark) / 2} ${y + (side - mark) / 2}h${mark}v${mark}h-${mark}z`;
      }
    }
  }
  return {
    ...{ width: Math.max(0, left - gap), height: rows.length, paths, replicas, blocks, most },
    at(x, y) {
      const shard = blocks.findIndex(({ left: from, width }) => x >= from && x < from + width);
      return rows[Math.floor(y)]?.[shard]?.[Math.floor(x - (blocks[shard]?.left ?? 0))] ?? null;
    },
  };
}

type Layer = ExpertsResource['layers'][number];

/** What a shard holds of a layer, by expert. */
function cellsOf({ layer, load, holders }: Layer, shard: number): Cell[] {
  return holders.flatMap((all, expert) => {
    if (!all.includes(shard)) return [];
    const others = all.filter((other) => other !== shard);
    return [{ layer, expert, shard, others, tokens: (load[expert] ?? 0) / all.length }];
  });
}

/** 0 for nothing to do; the rest in even steps of the square root, so that the many small ones can be told apart. */
function shadeOf(tokens: number, most: number): number {
  if (tokens <= 0) return 0;
  return Math.min(shades - 1, 1 + Math.floor((shades - 1) * Math.sqrt(tokens / most)));
}
