import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bestOf, type Result } from './table.ts';

const width = 900;
const height = 360;
const margin = 50;
const colours = ['#888888', '#d95f02', '#1b9e77', '#7570b3', '#e7298a'];

interface Line {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

/** Two pictures of a course: demand and pods over time, and what the incumbent with our hand-over and we pay for the wait. */
export async function plot(folder: string, trace: string, results: readonly Result[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const name = trace.replaceAll(/[^a-z]+/g, '-');
  const best = bestOf('hand-over', results);
  const ours = results.filter(({ contender }) => contender.family === 'ours');
  const stories = best === undefined ? ours : [best, ...ours];
  const demand = stories[0]?.story.line.map(([at, wanted]) => [at, wanted] as const) ?? [];
  const lines: Line[] = stories.map(({ contender, story }) => ({
    name: contender.name,
    points: story.line.map(([at, , pods]) => [at, pods] as const),
  }));
  const overTime = chart({ title: trace, x: 'hours', y: 'pods' }, [{ name: 'demand', points: demand }, ...lines], true);
  await writeFile(join(folder, `${name}-pods.svg`), overTime);
  const marks = [...ours, ...results.filter(({ contender }) => contender.family === 'hand-over')];
  const paid = chart({ title: trace, x: 'pod-hours', y: 'p95 wait in s' }, marks.map(markOf), false);
  await writeFile(join(folder, `${name}-cost.svg`), paid);
}

function markOf({ contender, p95, podHours }: Result): Line {
  return { name: contender.name.replace('KEDA, hand-over, ', ''), points: [[podHours, p95]] };
}

function chart(labels: { title: string; x: string; y: string }, lines: readonly Line[], joined: boolean): string {
  const all = lines.flatMap(({ points }) => points);
  const mostX = Math.max(1, ...all.map(([x]) => x));
  const mostY = Math.max(1, ...all.map(([, y]) => y));
  const atX = (x: number): string => (margin + (x / mostX) * (width - 2 * margin)).toFixed(1);
  const atY = (y: number): string => (height - margin - (y / mostY) * (height - 2 * margin)).toFixed(1);
  const text = (x: number, y: number, words: string, colour = '#222'): string =>
    `<text x="${x}" y="${y}" fill="${colour}">${words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`;
  const drawn = lines.map(({ name, points }, index) => {
    const colour = colours[index % colours.length] ?? '#222';
    if (joined) {
      const path = points.map(([x, y]) => `${atX(x)},${atY(y)}`).join(' ');
      const line = `<polyline fill="none" stroke="${colour}" points="${path}"/>`;
      return line + text(margin + 10, margin + 14 * index, name, colour);
    }
    return points
      .map(([x, y]) => {
        const dot = `<circle cx="${atX(x)}" cy="${atY(y)}" r="4" fill="${colour}"/>`;
        return `${dot}<text x="${atX(x)}" y="${atY(y)}" dx="6" fill="${colour}">${name}</text>`;
      })
      .join('');
  });
  const frame = `<path d="M${margin},${margin}V${height - margin}H${width - margin}" fill="none" stroke="#222"/>`;
  const words = [
    text(margin, 24, labels.title),
    text(width / 2, height - 14, `${labels.x} (to ${mostX.toFixed(0)})`),
    text(4, margin - 8, `${labels.y} (to ${mostY.toFixed(0)})`),
  ];
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`;
  return `${open}\n<rect width="100%" height="100%" fill="#fff"/>\n${[frame, ...words, ...drawn].join('\n')}\n</svg>\n`;
}
