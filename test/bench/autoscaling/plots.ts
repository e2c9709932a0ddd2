import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bestOf, type Result } from './table.ts';

const width = 900;
const height = 360;
const margin = 60;
const peerColour = '#d95f02';
const ourColours = ['#1b9e77', '#7570b3', '#e7298a', '#66a61e'];

interface Line {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Where numbers lie in a picture, and the numbers at its axes. */
interface Scale {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly ticks: string;
}

/** Two pictures of a course: demand and pods over time, and what the incumbent with our hand-over and we pay for the wait. */
export async function plot(folder: string, trace: string, results: readonly Result[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const name = trace.replaceAll(/[^a-z]+/g, '-');
  await writeFile(join(folder, `${name}-pods.svg`), overTime(trace, results));
  await writeFile(join(folder, `${name}-cost.svg`), prices(trace, results));
}

function overTime(trace: string, results: readonly Result[]): string {
  const best = bestOf('hand-over', results);
  const stories = [
    ...(best === undefined ? [] : [best]),
    ...results.filter(({ contender }) => contender.family === 'ours'),
  ];
  const demand = stories[0]?.story.line.map(([at, wanted]) => [at, wanted] as const) ?? [];
  const lines = stories.map(({ contender, story }, index): Line => {
    const points = story.line.map(([at, , pods]) => [at, pods] as const);
    return { name: contender.name, colour: ourColours[index - 1] ?? peerColour, points };
  });
  const all = [...demand, ...lines.flatMap(({ points }) => points)];
  const scale = scaleOf(all, { fromZero: true, x: 'hours', y: 'pods' });
  const path = (points: Line['points']): string => points.map(([x, y]) => `${scale.x(x)},${scale.y(y)}`).join(' ');
  const area = `<polygon fill="#ddd" points="${scale.x(0)},${scale.y(0)} ${path(demand)} ${scale.x(demand.at(-1)?.[0] ?? 0)},${scale.y(0)}"/>`;
  const drawn = lines.map(
    ({ colour, points }) => `<polyline fill="none" stroke="${colour}" points="${path(points)}"/>`,
  );
  const legend = [{ name: 'demand', colour: '#888' }, ...lines].map(({ name, colour }, index) =>
    text([width - margin, margin + 14 * index], name, { colour, anchor: 'end' }),
  );
  return picture(trace, [area, ...drawn, scale.ticks, ...legend]);
}

function prices(trace: string, results: readonly Result[]): string {
  const peers = results.filter(({ contender }) => contender.family === 'hand-over');
  const ours = results.filter(({ contender }) => contender.family === 'ours');
  const marks = [...peers, ...ours].map(({ contender, p95, podHours }, index): Line => {
    const colour = ourColours[index - peers.length] ?? peerColour;
    return {
      name: contender.name.replace(/KEDA, hand-over, window (.*), target (.*)/, '$1, $2'),
      colour,
      points: [[podHours, p95]],
    };
  });
  const points = marks.flatMap((mark) => mark.points);
  const scale = scaleOf(points, {
    fromZero: false,
    x: 'pod-hours',
    y: 's, p95 of waits; KEDA with our hand-over by its window and target',
  });
  const drawn = marks.flatMap(({ name, colour, points: [point = [0, 0]] }) => {
    const [x, y] = [scale.x(point[0]), scale.y(point[1])];
    const isRight = x > width - 4 * margin;
    return [
      `<circle cx="${x}" cy="${y}" r="4" fill="${colour}"/>`,
      text([x + (isRight ? -7 : 7), y - 4], name, { colour, anchor: isRight ? 'end' : 'start' }),
    ];
  });
  return picture(trace, [scale.ticks, ...drawn]);
}

function scaleOf(points: Line['points'], { fromZero, ...names }: { fromZero: boolean; x: string; y: string }): Scale {
  const xs = points.map(([x]) => x);
  const mostX = Math.max(1, ...xs);
  const leastX = fromZero ? 0 : Math.min(...xs) - (mostX - Math.min(...xs)) / 20;
  const mostY = Math.max(1, ...points.map(([, y]) => y));
  const rounded = (value: number): number => Math.round(value * 10) / 10;
  const x = (value: number): number =>
    rounded(margin + ((value - leastX) / Math.max(1e-9, mostX - leastX)) * (width - 2 * margin));
  const y = (value: number): number => rounded(height - margin - (value / mostY) * (height - 2 * margin));
  const fifths = [0, 0.2, 0.4, 0.6, 0.8, 1];
  const ticks = [
    `<path d="M${margin},${margin}V${height - margin}H${width - margin}" fill="none" stroke="#222"/>`,
    ...fifths
      .map((share) => leastX + share * (mostX - leastX))
      .map((value) => text([x(value), height - margin + 16], value.toFixed(0), { anchor: 'middle' })),
    ...fifths
      .map((share) => share * mostY)
      .map((value) => text([margin - 6, y(value) + 4], value.toFixed(0), { anchor: 'end' })),
    text([width / 2, height - 14], names.x, { anchor: 'middle' }),
    text([margin - 6, margin - 14], names.y),
  ];
  return { x, y, ticks: ticks.join('\n') };
}

function text(
  [x, y]: readonly [number, number],
  words: string,
  { colour = '#222', anchor = 'start' }: { colour?: string; anchor?: 'start' | 'middle' | 'end' } = {},
): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" fill="${colour}" text-anchor="${anchor}">${escaped}</text>`;
}

function picture(title: string, parts: readonly string[]): string {
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`;
  const head = text([width / 2, 20], title, { anchor: 'middle' });
  return `${open}\n<rect width="100%" height="100%" fill="#fff"/>\n${[head, ...parts].join('\n')}\n</svg>\n`;
}
