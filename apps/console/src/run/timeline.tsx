import type { RefObject } from 'preact';
import { memo } from 'preact/compat';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { compact, count, timeOf } from '../ui/format.ts';
import { failed, type Row, subjectOf, writingOf } from './rows.ts';
import { windowOf } from './window.ts';

/** Pixels; every row is one line, so that any of thousands has its place without being drawn. As in run.css. */
const rowHeight = 38;

/** For `aria-setsize`, while the list grows: with a figure, every row would be drawn anew with each event. */
const unknownSize = -1;

interface TimelineProps {
  readonly rows: readonly Row[];
  readonly chosen: number | null;
  readonly onChoose: (seq: number) => void;
  readonly ended: boolean;
}

/** Every step, call and event of a run. Only what is in sight is drawn; it keeps to the end while the reader is there. */
export function Timeline({ rows, chosen, onChoose, ended }: TimelineProps) {
  const box = useRef<HTMLDivElement>(null);
  const { view, atEnd, look } = useSight(box, !ended);
  const follows = atEnd && !ended;
  const length = rows.length * rowHeight;
  useLayoutEffect(() => {
    if (follows && box.current !== null) box.current.scrollTop = length;
  }, [length, follows]);
  // Where the box will be scrolled to, so that nothing is drawn that is out of sight a moment later.
  const top = follows ? Math.max(0, length - view.height) : view.top;
  const { first, end } = windowOf(rows.length, { top, height: view.height, rowHeight });
  const toEnd = (): void => box.current?.scrollTo({ top: box.current.scrollHeight });
  return (
    <section class="timeline" aria-label="Timeline">
      <div class="scroll" ref={box} onScroll={look} role="region" aria-label={`${count(rows.length)} entries`}>
        <ol style={{ height: `${length}px` }}>
          {rows.slice(first, end).map((row, at) => (
            <Line
              key={row.seq}
              {...{ row, at: first + at, of: ended ? rows.length : unknownSize, onChoose }}
              chosen={row.seq === chosen}
            />
          ))}
        </ol>
      </div>
      {!atEnd && !ended && (
        <button type="button" class="to-end" onClick={toEnd}>
          Latest
        </button>
      )}
    </section>
  );
}

/** What of a box is in sight, in pixels, and whether that is its end. */
function useSight(box: RefObject<HTMLDivElement | null>, startsAtEnd: boolean) {
  const [view, setView] = useState({ top: 0, height: 600 });
  const [atEnd, setAtEnd] = useState(startsAtEnd);
  const look = (): void => {
    const { scrollTop: top = 0, clientHeight: height = 600, scrollHeight = 0 } = box.current ?? {};
    setView((was) => (was.top === top && was.height === height ? was : { top, height }));
    setAtEnd(scrollHeight - top - height < 2 * rowHeight);
  };
  useEffect(() => {
    const watcher = new ResizeObserver(look);
    if (box.current !== null) watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  return { view, atEnd, look };
}

interface LineProps {
  readonly row: Row;
  readonly at: number;
  readonly of: number;
  readonly chosen: boolean;
  readonly onChoose: (seq: number) => void;
}

const Line = memo(function Line({ row, at, of, chosen, onChoose }: LineProps) {
  return (
    <li
      class={`row ${row.kind} ${toneOf(row)}`}
      style={{ transform: `translateY(${at * rowHeight}px)` }}
      aria-setsize={of}
      aria-posinset={at + 1}
    >
      <button type="button" aria-pressed={chosen} onClick={() => onChoose(row.seq)}>
        <time dateTime={row.at}>{timeOf(row.at)}</time>
        <span class="dot" aria-hidden="true" />
        <Words row={row} />
      </button>
    </li>
  );
}, sameLine);

/** Rows are replaced when they change, so identity tells. */
function sameLine(a: LineProps, b: LineProps): boolean {
  return a.row === b.row && a.at === b.at && a.of === b.of && a.chosen === b.chosen;
}

function toneOf(row: Row): string {
  if (row.kind === 'note') return row.tone;
  if (row.endedAt === null) return 'open';
  return row.kind === 'call' && failed(row) ? 'warn' : 'plain';
}

function Words({ row }: { row: Row }) {
  switch (row.kind) {
    case 'note':
      return <span class="words">{row.text}</span>;
    case 'step':
      return (
        <span class="words">
          <b>Step {row.step + 1}</b> {stepWords(row)}
        </span>
      );
    case 'call':
      return (
        <>
          <span class="words">
            <b>{row.tool}</b> {subjectOf(row)}
          </span>
          <span class="gain">{gainOf(row)}</span>
        </>
      );
  }
}

function stepWords(row: Extract<Row, { kind: 'step' }>): string {
  if (row.endedAt === null) return row.writing === '' ? 'thinking …' : writingOf(row.writing);
  const tokens = row.promptTokens + row.completionTokens;
  const did = row.answered ? 'gave its answer' : `asked for ${count(row.calls)} ${row.calls === 1 ? 'call' : 'calls'}`;
  return tokens === 0 ? did : `${did}, ${compact(tokens)} tokens`;
}

function gainOf(row: Extract<Row, { kind: 'call' }>): string {
  if (row.endedAt === null) return '…';
  if (failed(row)) return 'failed';
  const passages = row.passages > 0 ? [`${count(row.passages)} passages`] : [];
  const hits = row.hits > 0 ? [`${count(row.hits)} named`] : [];
  return [...passages, ...hits].join(', ') || 'nothing';
}
