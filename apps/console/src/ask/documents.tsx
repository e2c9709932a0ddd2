import { useRef, useState } from 'preact/hooks';
import { ask } from '../api/client.ts';
import type { CorpusList, CorpusResource } from '../libs.ts';
import { useAsked, wordsOf } from '../ui/asked.ts';
import { bytes, count } from '../ui/format.ts';
import { Trouble } from '../ui/parts.tsx';

interface DocumentsProps {
  readonly chosen: readonly string[];
  readonly onChange: (ids: readonly string[]) => void;
}

/** Documents to read: those that are there, and a place to drop more. */
export function Documents({ chosen, onChange }: DocumentsProps) {
  const [corpora, again] = useAsked((signal) => ask<CorpusList>('/v1/corpora?limit=50', { signal }), []);
  const [note, setNote] = useState<string | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const take = async (files: readonly File[]): Promise<void> => {
    setFault(null);
    try {
      const corpus = await upload(files, setNote);
      onChange([...new Set([...chosen, corpus.id])]);
    } catch (error) {
      setFault(wordsOf(error));
    }
    setNote(null);
    again();
  };
  const ready = corpora.state === 'ready' ? corpora.value.data.filter(({ status }) => status === 'ready') : [];
  return (
    <fieldset class="documents">
      <legend>Documents</legend>
      <DropPlace onFiles={(files) => void take(files)} busy={note} />
      {fault !== null && <Trouble message={fault} />}
      {corpora.state === 'failed' && (
        <Trouble message={`Documents that were sent before cannot be listed: ${corpora.message}`} />
      )}
      {ready.map((corpus) => (
        <Choice key={corpus.id} corpus={corpus} {...{ chosen, onChange }} />
      ))}
    </fieldset>
  );
}

function Choice({ corpus, chosen, onChange }: DocumentsProps & { corpus: CorpusResource }) {
  const { id, name, documents, bytes: size } = corpus;
  const toggle = (on: boolean): void => onChange(on ? [...chosen, id] : chosen.filter((one) => one !== id));
  return (
    <label class="choice">
      <input type="checkbox" checked={chosen.includes(id)} onChange={(event) => toggle(event.currentTarget.checked)} />
      <span class="name">{name}</span>
      <span class="quiet">
        {count(documents ?? 0)} documents, {bytes(size)}
      </span>
    </label>
  );
}

function DropPlace({ onFiles, busy }: { onFiles: (files: readonly File[]) => void; busy: string | null }) {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    onFiles([...(event.dataTransfer?.files ?? [])]);
  };
  const enter = (event: DragEvent): void => {
    event.preventDefault();
    setOver(true);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is another way to do what the button in it does
    <div class={over ? 'drop over' : 'drop'} onDragOver={enter} onDragLeave={() => setOver(false)} onDrop={drop}>
      <p role="status">{busy ?? 'Drop files here: PDF, HTML, markdown, text, JSON, source code.'}</p>
      <button type="button" disabled={busy !== null} onClick={() => input.current?.click()}>
        Choose files
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to read"
        onChange={(event) => onFiles([...(event.currentTarget.files ?? [])])}
      />
    </div>
  );
}

const pollMs = 300;

/** Sends files and waits until they are indexed. @throws Refused; Error with the server's words where they cannot be */
async function upload(files: readonly File[], say: (note: string) => void): Promise<CorpusResource> {
  if (files.length === 0)
    throw new Error('There was no file in what was dropped; folders are for argosy research --corpus.');
  const form = new FormData();
  const stamp = new Date().toISOString().slice(0, 16).replace('T', ' ').replace(':', '.');
  form.set('name', files.length === 1 ? (files[0]?.name ?? stamp) : `${files.length} files, ${stamp}`);
  for (const file of files) form.append('file', file, file.name);
  say(`Sending ${files.length === 1 ? files[0]?.name : `${files.length} files`} …`);
  let corpus = await ask<CorpusResource>('/v1/corpora/files', { method: 'POST', body: form });
  while (corpus.status === 'uploading' || corpus.status === 'indexing') {
    say(`Indexing ${corpus.name} …`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    corpus = await ask<CorpusResource>(`/v1/corpora/${corpus.id}`);
  }
  if (corpus.status === 'failed')
    throw new Error(`${corpus.name} could not be indexed: ${corpus.error ?? 'no reason given'}`);
  return corpus;
}
