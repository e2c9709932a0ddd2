/** The devices that a plan can be made for. */
import { InvalidInput } from '#errors';

export interface Gpu {
  readonly name: string;
  /** Of one device, as its maker counts. */
  readonly bytes: number;
  /** DeepEP, which SGLang balances experts by, runs there without a patch: compute capability 9.0 or later. */
  readonly hasDeepEp: boolean;
}

const gpus: readonly Gpu[] = [
  { name: 'A100-40', bytes: 40e9, hasDeepEp: false },
  { name: 'A100-80', bytes: 80e9, hasDeepEp: false },
  { name: 'H100-80', bytes: 80e9, hasDeepEp: true },
  { name: 'H100-94', bytes: 94e9, hasDeepEp: true },
  { name: 'H200-141', bytes: 141e9, hasDeepEp: true },
];

/** Sizes of a group: more devices than these have no one launch line. */
export const groupSizes: readonly number[] = [1, 2, 4, 8];

export interface GpuGroup {
  readonly gpu: Gpu;
  readonly count: number;
}

/** @param text such as `2xA100-80` @throws InvalidInput with what is known */
export function parseGpus(text: string): GpuGroup {
  const [, digits, name = ''] = /^(\d{1,3})x(.{1,40})$/i.exec(text.trim()) ?? [];
  const wanted = name.toLowerCase();
  const found = gpus.filter((gpu) => gpu.name.toLowerCase() === wanted || isOnly(gpu, wanted));
  const [gpu] = found;
  const count = Number(digits);
  if (gpu !== undefined && groupSizes.includes(count)) return { gpu, count };
  const known = `${groupSizes.join(', ')} of ${gpus.map((one) => one.name).join(', ')}`;
  const message = `is ${JSON.stringify(text.slice(0, 60))}; it must be a number and a name such as 2xA100-80. Known: ${known}`;
  throw new InvalidInput([{ path: '--gpus', message }]);
}

/** A name without its memory, where only one has it. */
function isOnly({ name }: Gpu, wanted: string): boolean {
  const [family] = name.toLowerCase().split('-');
  return family === wanted && gpus.filter((gpu) => gpu.name.toLowerCase().startsWith(`${wanted}-`)).length === 1;
}
