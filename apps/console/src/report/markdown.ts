import DOMPurify, { type Config } from 'dompurify';
import MarkdownIt from 'markdown-it';
import { markClose, markOpen } from './cited.ts';

const renderer = new MarkdownIt('default', { html: false, linkify: false, breaks: false });
renderer.disable('image');
renderer.validateLink = (url: string): boolean => /^(https?:|mailto:)/i.test(url.trim());

renderer.inline.ruler.before('text', 'claim-mark', (state, silent) => {
  if (!state.src.startsWith(markOpen, state.pos)) return false;
  const from = state.pos + markOpen.length;
  const close = state.src.indexOf(markClose, from);
  const [, claim = '', source = ''] = /^(\d+):(\d+)$/.exec(state.src.slice(from, close)) ?? [];
  if (close < 0 || claim === '') return false;
  if (!silent) state.push('claim_mark', '', 0).meta = { claim, source };
  state.pos = close + markClose.length;
  return true;
});

renderer.renderer.rules['claim_mark'] = (tokens, at) => {
  const { claim = '', source = '' } = (tokens[at]?.meta ?? {}) as { claim?: string; source?: string }; // as set above
  if (source === '0') return `<button type="button" class="unsupported" data-claim="${claim}">no proof</button>`;
  const label = `Source ${source} of this claim`;
  return `<button type="button" class="cite" data-claim="${claim}" data-source="${source}" aria-label="${label}">${source}</button>`;
};

/** Marks inside code are no marks to the renderer; they are told as they stood in the answer. */
const unread = new RegExp(`${markOpen}\\d+:(\\d+)${markClose}`, 'g');

const allowed: Config = {
  ALLOWED_TAGS: [
    ...['p', 'br', 'hr', 'em', 'strong', 's', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'a', 'button'],
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ],
  ALLOWED_ATTR: ['href', 'class', 'type', 'data-claim', 'data-source', 'aria-label', 'start', 'rel', 'target'],
  // Values of these are no addresses, which the rule below is for.
  ADD_URI_SAFE_ATTR: ['type', 'data-claim', 'data-source', 'start', 'rel', 'target'],
  ALLOW_DATA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
};

DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'A') return;
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer');
});

/** Markdown that somebody else wrote as HTML that can do nothing: no HTML of its own, no pictures, no odd links. */
export function rendered(markdown: string): string {
  const html = renderer
    .render(markdown)
    .replace(unread, (_, source: string) => (source === '0' ? '[unsupported]' : `[${source}]`));
  // A trusted type where the browser knows these, which is what may be written into the page.
  return DOMPurify.sanitize(html, { ...allowed, RETURN_TRUSTED_TYPE: true }) as unknown as string;
}
