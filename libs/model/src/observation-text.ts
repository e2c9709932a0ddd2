/** How a tool's typed result is told to a model: sources named, faults plain, page text fenced as data. */
import type { Choice, Digest, NumberedSource, Passage, Section, ToolFault, ToolOutcome } from '#domain';
import { HITS_NOTICE, hitsText, unreadText } from './hit-text.ts';
import { inert, oneLine } from './inert.ts';

type Numbered = ReadonlyMap<string, NumberedSource>;

const FAULT_WORDS: Readonly<Record<ToolFault['kind'], string>> = {
  transient: 'FAILED for a passing reason; this says nothing about what exists. It may be tried again',
  quota: 'FAILED because a usage limit was reached; this says nothing about what exists. Try later or in another way',
  blocked: 'NOT ALLOWED from here; this says nothing about what exists. Do not repeat it, use another source',
  empty: 'NO RESULTS: this was looked up and nothing was found',
  invalid: 'WRONG CALL: it was not carried out. Mend it before repeating it',
};

/** What a model knows a tool as. */
type NameOf = (tool: string) => string;

const ourName: NameOf = (tool) => tool;

/** The text of one finished call, without the `<tool_response>` around it. */
export function observationText(outcome: ToolOutcome, numbered: Numbered, nameOf = ourName): string {
  const { sections } = outcome.observation;
  const told = sections.map((section) => sectionText(section, numbered));
  if (told.length === 0) told.push('The tool returned nothing and gave no reason.');
  if (sections.some(({ hits = [] }) => hits.length > 0)) told.unshift(HITS_NOTICE);
  return [`Result of ${inert(oneLine(nameOf(outcome.call.tool)))}`, ...told].join('\n\n');
}

/** What stands for the turns that a full context let go. */
export function digestText({ lookups, passages, unread = [] }: Digest, numbered: Numbered, nameOf = ourName): string {
  const asked = lookups.map(({ tool, label, passages: found, hits, fault }) => {
    const outcome = [
      `${found} passages`,
      ...(hits === undefined ? [] : [`${hits} pages named`]),
      ...(fault === undefined ? [] : [fault]),
    ];
    return `- ${inert(oneLine(nameOf(tool)))}: ${inert(oneLine(label))} (${outcome.join(', ')})`;
  });
  const kept = passages.map((passage) => passageText(passage, numbered));
  return [
    'The context was full, so the steps up to here were taken out of it. This is what was looked up in them:',
    ...(asked.length > 0 ? asked : ['- nothing']),
    '',
    'Of what was found, this was kept, word for word. What you need beyond it, look up again.',
    ...(kept.length > 0 ? kept : ['(nothing)']),
    ...(unread.length > 0 ? ['', unreadText(unread)] : []),
  ].join('\n');
}

function sectionText(section: Section, numbered: Numbered): string {
  const lines = [`## ${inert(oneLine(section.label))}`];
  const { hits } = section;
  for (const passage of section.passages) lines.push(passageText(passage, numbered));
  if (hits && hits.length > 0) lines.push(hitsText(hits));
  if (section.chosen && section.passages.length > 0) lines.push(choiceText(section.chosen));
  if (section.omitted) {
    lines.push(`(${section.omitted} more ${hits ? 'results' : 'passages'} were left out for lack of room)`);
  }
  if (section.fault) lines.push(faultText(section.fault));
  if (lines.length === 1) lines.push('The tool returned nothing for this and gave no reason.');
  return lines.join('\n');
}

function choiceText(chosen: Choice): string {
  return chosen.by === 'model'
    ? '(copied out of the page for this goal; read it again with another goal for more)'
    : `(chosen by the words of the goal alone: ${inert(oneLine(chosen.because))})`;
}

function passageText(passage: Passage, numbered: Numbered): string {
  const source = numbered.get(passage.sha256);
  if (!source) throw new Error(`a passage points at ${passage.sha256}, which is not among its observation's sources`);
  const lines = [`<passage source="${source.id}">`, `title: ${inert(oneLine(source.title))}`];
  lines.push(`uri: ${inert(oneLine(source.uri))}`);
  if (passage.headings.length > 0) lines.push(`section: ${inert(oneLine(passage.headings.join(' > ')))}`);
  lines.push('text:', inert(passage.text), '</passage>');
  return lines.join('\n');
}

function faultText(fault: ToolFault): string {
  const wait = fault.retryAfterMs === undefined ? '' : ` (after ${Math.ceil(fault.retryAfterMs / 1000)} s)`;
  return `${FAULT_WORDS[fault.kind]}${wait}. ${inert(oneLine(fault.message))}`;
}
