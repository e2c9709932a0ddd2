import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, post } from '../api/client.ts';
import type { AcceptedResource, ModelList } from '../libs.ts';
import { type Asked, useAsked, wordsOf } from '../ui/asked.ts';
import { Link, Trouble } from '../ui/parts.tsx';
import { go } from '../ui/router.ts';
import { Documents } from './documents.tsx';
import { type Draft, emptyDraft, readDraft, toBody } from './draft.ts';
import { takeFollowUp } from './follow-up.ts';
import { Options } from './options.tsx';

const draftName = 'argosy.draft';

/** What was being put together in this tab: a login or a reload between loses nothing of it. */
function keptDraft(): Draft {
  return readDraft(sessionStorage.getItem(draftName) ?? '');
}

function followingUp(): Draft | null {
  const begun = takeFollowUp();
  return Object.keys(begun).length === 0 ? null : { ...emptyDraft, ...begun };
}

function keepDraft(draft: Draft): void {
  if (draft === emptyDraft) sessionStorage.removeItem(draftName);
  else sessionStorage.setItem(draftName, JSON.stringify(draft));
}

function useDraft() {
  const [draft, setDraft] = useState<Draft>(() => followingUp() ?? keptDraft());
  useEffect(() => keepDraft(draft), [draft]);
  const change = (part: Partial<Draft>): void => setDraft((was) => ({ ...was, ...part }));
  return [draft, change] as const;
}

/** Where research begins: a question, and what it may read and spend. */
export function AskView() {
  const [draft, change] = useDraft();
  const [fault, setFault] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [models] = useAsked((signal) => ask<ModelList>('/v1/models', { signal }), []);
  const start = async (): Promise<void> => {
    const drafted = toBody(draft);
    if ('fault' in drafted) return setFault(drafted.fault);
    setBusy(true);
    try {
      const { id } = await post<AcceptedResource>('/v1/research', drafted.body);
      keepDraft(emptyDraft);
      go(`/runs/${id}`);
    } catch (error) {
      setFault(wordsOf(error));
      setBusy(false);
    }
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    void start();
  };
  return (
    <section class="ask">
      <h1>What do you want to know?</h1>
      <form class="stack" onSubmit={submit}>
        <Question draft={draft} onChange={change} onStart={() => void start()} />
        {fault !== null && <Trouble message={fault} />}
        <div class="start">
          <button type="submit" class="primary" disabled={busy || draft.question.trim() === ''}>
            {busy ? 'Starting …' : 'Start research'}
          </button>
          <Engine models={models} chosen={draft.model} />
        </div>
        <Documents chosen={draft.corpora} onChange={(corpora) => change({ corpora })} />
        <Options draft={draft} models={models.state === 'ready' ? models.value.data : []} onChange={change} />
      </form>
    </section>
  );
}

interface QuestionProps {
  readonly draft: Draft;
  readonly onChange: (part: Partial<Draft>) => void;
  readonly onStart: () => void;
}

function Question({ draft, onChange, onStart }: QuestionProps) {
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => box.current?.focus({ preventScroll: true }), []);
  const press = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (draft.question.trim() !== '') onStart();
  };
  return (
    <label class="question">
      <span class="hidden">Question</span>
      <textarea
        ref={box}
        rows={4}
        maxLength={20_000}
        placeholder="A question that takes reading to answer"
        value={draft.question}
        onInput={(event) => onChange({ question: event.currentTarget.value })}
        onKeyDown={press}
      />
      <span class="hint">
        <kbd>Ctrl</kbd> <kbd>Enter</kbd> starts it
      </span>
    </label>
  );
}

/** Who will work on it: said before the start, because it decides what comes out. */
function Engine({ models, chosen }: { models: Asked<ModelList>; chosen: string }) {
  if (models.state === 'failed') return <Trouble message={models.message} />;
  if (models.state === 'loading') return null;
  const model = models.value.data.find(({ id, argosy }) => (chosen === '' ? argosy.default : id === chosen));
  if (model === undefined) return null;
  if (model.argosy.language_model) return <p class="quiet">Written by {model.id}, every claim quoted and checked.</p>;
  return (
    <p class="quiet">
      No language model is connected: the answer will be passages, word for word. <Link to="/welcome">Connect one</Link>
    </p>
  );
}
