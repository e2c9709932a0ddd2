/** What `argosy inference inspect` prints of a checkpoint. */
import { InvalidInput } from '#errors';
import { Checkpoint, cacheBytesPerToken, fitOn, type ModelConfig, sizesOf } from '#moe';

export interface InspectOptions {
  /** Memory of one device. */
  readonly deviceBytes: number;
  /** Length of a context to fit; null for the longest that the model was made for. */
  readonly contextTokens: number | null;
}

export interface Inspection {
  readonly text: string;
  /** False when the model could not be served: its tokenizer is missing or does not belong to it. */
  readonly usable: boolean;
}

type Tensor = Checkpoint['tensors'][number];

/**
 * Opens a checkpoint, which checks every header and shape, and describes it. Numbers are not read.
 * @throws InvalidInput for what cannot be opened
 */
export async function inspectCheckpoint(folder: string, options: InspectOptions): Promise<Inspection> {
  const checkpoint = await Checkpoint.open(folder);
  try {
    const { usable, line } = await tokenizerLine(checkpoint);
    const parts = [
      shapeLines(checkpoint, line),
      sizeLines(checkpoint.config, checkpoint.tensors),
      fitLines(checkpoint.config, options),
      tensorLines(checkpoint.tensors),
    ];
    return { usable, text: `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n` };
  } finally {
    await checkpoint.close();
  }
}

async function tokenizerLine(checkpoint: Checkpoint): Promise<{ readonly usable: boolean; readonly line: string }> {
  try {
    const { size } = await checkpoint.tokenizer();
    return { usable: true, line: `tokenizer of ${count(size)} tokens` };
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    return { usable: false, line: `NO USABLE TOKENIZER: ${error.message}` };
  }
}

function shapeLines({ config, folder, generation }: Checkpoint, tokenizer: string): string[] {
  const { sparse, heads, kvHeads, headDim, experts, topK, normTopK } = config;
  const sparseLayers = sparse.filter(Boolean).length;
  const dense =
    config.denseWidth === null ? '' : `, ${sparse.length - sparseLayers} dense of width ${config.denseWidth}`;
  const normed = normTopK ? 'weights normalised' : 'weights as they are';
  return [
    `Qwen3-MoE in ${folder}`,
    `  layers      ${sparse.length} of width ${config.hidden}: ${sparseLayers} with experts${dense}`,
    `  experts     ${experts} a layer, ${topK} a token, of width ${config.expertWidth}; ${normed}`,
    `  attention   ${heads} heads of ${headDim}, ${kvHeads} of keys and values; rope theta ${config.ropeTheta}`,
    `  context     ${count(config.contextTokens)} tokens`,
    `  vocabulary  ${count(config.vocabulary)}${config.tiedHead ? ', head tied to the embedding' : ''}; ${tokenizer}`,
    `  replies     end at ${generation.eosTokens.join(', ') || 'no token: only a limit ends them'}`,
  ];
}

function sizeLines(config: ModelConfig, tensors: readonly Tensor[]): string[] {
  const { all, active, activeInside, experts, expert, layerExperts, shared } = sizesOf(config);
  const formats = [...new Set(tensors.map(({ format }) => format))].join(', ');
  const stored = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    `parameters    ${count(all)}, of which a token uses ${count(active)}`,
    `              (${count(activeInside)} without embedding and head)`,
    `stored        ${bytes(stored)} in ${formats}`,
    `in bf16       ${bytes(2 * all)}: experts ${bytes(2 * experts)}, all else ${bytes(2 * shared)}`,
    `one expert    ${bytes(2 * expert)}; the experts of one layer ${bytes(2 * layerExperts)}`,
    `a token       ${count(cacheBytesPerToken(config))} bytes of keys and values`,
  ];
}

function fitLines(config: ModelConfig, { deviceBytes, contextTokens }: InspectOptions): string[] {
  const context = contextTokens ?? config.contextTokens;
  const rows = [1, 2, 4, 8].map((devices) => {
    const fit = fitOn(config, devices, deviceBytes);
    const contexts = fit.cacheTokens / context;
    const holds = contexts >= 1 ? contexts.toFixed(1) : `${contexts.toFixed(1)}: does not fit`;
    return [String(devices), fit.attention, bytes(fit.weightBytesPerDevice), count(fit.cacheTokens), holds];
  });
  return [
    `on devices of ${bytes(deviceBytes)}, of which 90 % less 3 GB to work with; bf16, experts spread evenly`,
    ...table([['devices', 'attention', 'weights each', 'tokens of context', `contexts of ${count(context)}`], ...rows]),
  ];
}

/** Tensors that differ in their layer's or expert's number alone are one line. */
function tensorLines(tensors: readonly Tensor[]): string[] {
  const groups = new Map<string, { readonly cells: readonly string[]; tensors: number; bytes: number }>();
  for (const { name, format, shape, bytes: own } of tensors) {
    const pattern = name.replace(/layers\.\d+\./, 'layers.{l}.').replace(/experts\.\d+\./, 'experts.{e}.');
    const cells = [pattern, format, `[${shape.join(', ')}]`];
    const group = groups.get(cells.join()) ?? { cells, tensors: 0, bytes: 0 };
    group.tensors += 1;
    group.bytes += own;
    groups.set(cells.join(), group);
  }
  const rows = [...groups.values()].map((group) => [...group.cells, count(group.tensors), bytes(group.bytes)]);
  return table([['tensor', 'dtype', 'shape', 'of these', 'together'], ...rows.toSorted(byName)]);
}

function byName([a = '']: readonly string[], [b = '']: readonly string[]): number {
  return a < b ? -1 : Number(a > b);
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
}

function count(number: number): string {
  return Math.round(number).toLocaleString('en-US');
}

function bytes(number: number): string {
  const [size, unit] =
    number >= 1e9 ? [number / 1e9, 'GB'] : number >= 1e6 ? [number / 1e6, 'MB'] : [number / 1e3, 'KB'];
  return `${size.toFixed(2)} ${unit}`;
}
