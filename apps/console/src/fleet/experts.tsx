import { memo } from 'preact/compat';
import { useCallback, useMemo, useState } from 'preact/hooks';
import { ask } from '../api/client.ts';
import type { ExpertsResource } from '../libs.ts';
import { useAsked, useEvery } from '../ui/asked.ts';
import { count, timeOf } from '../ui/format.ts';
import { At, Figures, Loaded } from '../ui/parts.tsx';
import { type Cell, type Heat, heatOf, shades } from './heat.ts';

/** A map of a large model is 60 kB. */
const refreshMs = 10_000;

type Shards = ExpertsResource['shards'];

/** Which shard holds which experts of a group, and what each had to do of late. */
export function Experts({ group }: { group: string }) {
  const path = `/v1/admin/inference/experts?group=${encodeURIComponent(group)}`;
  const [experts, , refresh] = useAsked((signal) => ask<ExpertsResource>(path, { signal }), [path]);
  useEvery(refreshMs, refresh);
  return <Loaded of={experts}>{(value) => <Whole experts={value} />}</Loaded>;
}

function Whole({ experts }: { experts: ExpertsResource }) {
  const heat = useMemo(() => heatOf(experts), [experts]);
  const [pointed, setPointed] = useState<Cell | null>(null);
  const point = useCallback((cell: Cell | null) => setPointed(cell), []);
  const { layers, shards, group, at } = experts;
  if (layers.length === 0) return <p class="quiet">No shards share the experts of {group}.</p>;
  const words = `Experts of ${group} by layer and shard, ${count(layers.length)} layers on ${count(shards.length)} shards`;
  return (
    <figure class="heat">
      <h3>{words}</h3>
      <HeatMap heat={heat} shards={shards} label={`${words}. The table below has the figures.`} onPoint={point} />
      <p class="quiet pointed">{pointed === null ? hint(heat) : told(pointed, shards)}</p>
      <Legend most={heat.most} />
      <Table experts={experts} />
      <p class="quiet">
        As of <At at={at} as={timeOf} />, placement {count(experts.plan_epoch)}.
      </p>
    </figure>
  );
}

function hint({ most }: Heat): string {
  if (most === 0) return 'No step was computed yet.';
  return 'Rows are layers, blocks are shards. Point at an expert for its figures.';
}

function told({ layer, expert, shard, others, tokens }: Cell, shards: Shards): string {
  const name = (of: number): string => shards[of]?.name ?? `shard ${of}`;
  const also = others.length === 0 ? '' : `, also on ${others.map(name).join(', ')}`;
  return `Layer ${layer}, expert ${expert} on ${name(shard)}: ${figure(tokens)} tokens a step${also}`;
}

const figure = (tokens: number): string => (tokens >= 100 ? count(Math.round(tokens)) : tokens.toPrecision(2));

interface HeatMapProps {
  readonly heat: Heat;
  readonly shards: Shards;
  readonly label: string;
  readonly onPoint: (cell: Cell | null) => void;
}

/** Drawn anew only with another map: what is pointed at is told beside it. */
const HeatMap = memo(function HeatMap({ heat, shards, label, onPoint }: HeatMapProps) {
  const { width, height, paths, replicas, blocks } = heat;
  const move = ({ currentTarget, clientX, clientY }: MouseEvent & { readonly currentTarget: Element }): void => {
    const box = currentTarget.getBoundingClientRect();
    onPoint(heat.at(((clientX - box.left) / box.width) * width, ((clientY - box.top) / box.height) * height));
  };
  return (
    <div class="map" style={{ '--columns': width, '--rows': height }}>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={label}
        onMouseMove={move}
        onMouseLeave={() => onPoint(null)}
      >
        {paths.map((path, shade) => path !== '' && <path key={shade} class={`shade-${shade}`} d={path} />)}
        <path class="replicas" d={replicas} />
      </svg>
      <ol class="shards">
        {shards.map(({ name, open, answered_tokens: answered }, shard) => (
          <li
            key={name}
            class={open ? '' : 'lost'}
            style={{
              left: `${(100 * (blocks[shard]?.left ?? 0)) / width}%`,
              width: `${(100 * (blocks[shard]?.width ?? 0)) / width}%`,
            }}
            title={`${name}: ${count(answered)} tokens answered`}
          >
            {shard}: {name}
            {!open && ' (lost)'}
          </li>
        ))}
      </ol>
    </div>
  );
});

function Legend({ most }: { most: number }) {
  return (
    <figcaption class="legend">
      <span>
        <span aria-hidden="true">
          {Array.from({ length: shades }, (_, shade) => (
            <span key={shade} class={`swatch shade-${shade}`} />
          ))}
        </span>
        0 to {figure(most)} tokens a step for this copy
      </span>
      <span>
        <span class="swatch replica" aria-hidden="true" />
        one of several copies
      </span>
    </figcaption>
  );
}

/** One layer at a time: all of them are thousands of rows. */
function Table({ experts: { layers, shards } }: { experts: ExpertsResource }) {
  const [chosen, setChosen] = useState(0);
  const layer = layers[chosen] ?? layers[0];
  if (layer === undefined) return null;
  return (
    <details>
      <summary>As a table</summary>
      <label class="chooser">
        Layer
        <select value={chosen} onChange={({ currentTarget }) => setChosen(Number(currentTarget.value))}>
          {layers.map((one, at) => (
            <option key={one.layer} value={at}>
              {one.layer}
            </option>
          ))}
        </select>
      </label>
      <Figures columns={['Expert', 'Tokens a step', 'Shards']}>
        {layer.holders.map((holders, expert) => (
          <tr key={expert}>
            <th scope="row">{expert}</th>
            <td>{figure(layer.load[expert] ?? 0)}</td>
            <td>{holders.map((shard) => shards[shard]?.name ?? shard).join(', ')}</td>
          </tr>
        ))}
      </Figures>
    </details>
  );
}
