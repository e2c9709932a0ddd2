import type { ComponentChildren } from 'preact';
import type { ModelList } from '../libs.ts';
import type { Draft } from './draft.ts';

interface OptionsProps {
  readonly draft: Draft;
  readonly models: ModelList['data'];
  readonly onChange: (part: Partial<Draft>) => void;
}

/** All that has a sensible default. */
export function Options(props: OptionsProps) {
  return (
    <details class="options">
      <summary>Model, limits, sources, output</summary>
      <div class="grid">
        <Model {...props} />
        <Limits {...props} />
        <Sources {...props} />
        <Output {...props} />
      </div>
    </details>
  );
}

function Field({ label, hint, children }: { label: string; hint?: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is among the children
    <label class="field">
      <span>{label}</span>
      {children}
      {hint !== undefined && <small>{hint}</small>}
    </label>
  );
}

function Model({ draft, models, onChange }: OptionsProps) {
  return (
    <Field label="Model">
      <select value={draft.model} onChange={(event) => onChange({ model: event.currentTarget.value })}>
        <option value="">Default</option>
        {models.map(({ id, argosy }) => (
          <option key={id} value={id}>
            {argosy.language_model ? id : `${id} (no language model)`}
          </option>
        ))}
      </select>
    </Field>
  );
}

function Limits({ draft, onChange }: OptionsProps) {
  const fields = [
    ['steps', 'Most steps', '100'],
    ['minutes', 'Most minutes', 'none'],
    ['tokens', 'Most tokens', 'none'],
    ['usd', 'Most US dollars', 'none'],
  ] as const;
  return (
    <>
      {fields.map(([name, label, usual]) => (
        <Field key={name} label={label}>
          <input
            inputMode="decimal"
            placeholder={usual}
            value={draft[name]}
            onInput={(event) => onChange({ [name]: event.currentTarget.value })}
          />
        </Field>
      ))}
    </>
  );
}

function Sources({ draft, onChange }: OptionsProps) {
  return (
    <>
      <Field label="The web" hint="With documents or pages of its own, a run leaves the web alone unless told.">
        <select value={draft.web} onChange={(event) => onChange({ web: webOf(event.currentTarget.value) })}>
          <option value="usual">Where there is nothing else to read</option>
          <option value="yes">Search it</option>
          <option value="no">Leave it alone</option>
        </select>
      </Field>
      <Field label="Pages to read" hint="Addresses, parted by white space.">
        <textarea rows={2} value={draft.urls} onInput={(event) => onChange({ urls: event.currentTarget.value })} />
      </Field>
      <Field label="Only these sites" hint="Hosts such as example.org.">
        <input value={draft.allowed} onInput={(event) => onChange({ allowed: event.currentTarget.value })} />
      </Field>
      <Field label="Never these sites">
        <input value={draft.denied} onInput={(event) => onChange({ denied: event.currentTarget.value })} />
      </Field>
    </>
  );
}

function webOf(value: string): Draft['web'] {
  return value === 'yes' || value === 'no' ? value : 'usual';
}

function Output({ draft, onChange }: OptionsProps) {
  const change = (value: string): void => onChange({ citations: value === 'strict' ? 'strict' : 'mark' });
  return (
    <>
      <Field label="Claims without proof">
        <select value={draft.citations} onChange={(event) => change(event.currentTarget.value)}>
          <option value="mark">Mark them</option>
          <option value="strict">Take them out</option>
        </select>
      </Field>
      <Field label="Output schema" hint="JSON Schema of an object that the report shall have, too.">
        <textarea
          rows={3}
          class="code"
          spellcheck={false}
          value={draft.schema}
          onInput={(event) => onChange({ schema: event.currentTarget.value })}
        />
      </Field>
    </>
  );
}
