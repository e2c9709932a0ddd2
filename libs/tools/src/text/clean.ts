import { type DomElement, type DomNode, following, isElement, textOf } from './dom.ts';

/** Never read as text, or a control. */
const NOISE = new Set(
  [
    'title script style noscript template svg iframe canvas object embed link meta input select textarea button dialog',
    'audio video map rt rp amp-sidebar amp-consent amp-analytics amp-ad amp-embed',
  ].flatMap((names) => names.split(' ')),
);
/** The way around a site and not the page. */
const CHROME = new Set(['nav', 'footer']);
const CHROME_ROLES = new Set(['navigation', 'contentinfo', 'search', 'dialog', 'alertdialog', 'menu', 'menubar']);

const UNSEEN =
  /display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|font-size\s*:\s*0(?![.\d])|(?:left|top|text-indent)\s*:\s*-\d{3,}/i;
/** Pages fade their own text in from here. */
const FADING = /transform|transition|animation|will-change/i;
const TRANSPARENT = /opacity\s*:\s*0(?:\.0*)?(?![.\d])/i;

const CONSENT =
  /(?:cookies?|consent|gdpr|ccpa|privacy)[\s_-]?(?:banner|bar|notice|popup|wall|modal|dialog|overlay|message|sdk|layer)|onetrust|cookiebot|didomi-|usercentrics/i;
/** A banner is no longer than this, in characters: what is longer may be the page itself. */
const LONGEST_BANNER = 6_000;

/** Classes of what stands beside the text of a page. */
const BESIDE = new Set(
  [
    'breadcrumb breadcrumbs pagination related related-articles related-posts newsletter promo share sharing social-share',
    'skip-link mw-editsection mw-jump-link navbox linenos lineno gutter',
  ].flatMap((names) => names.split(' ')),
);
const LONGEST_BESIDE = 3_000;

/**
 * Takes out of a page what is no text of it: scripts and controls, menus and footers, banners that ask for consent, and
 * text that a reader never sees, which must not reach the index or a model. Cost O(page).
 */
export function clean(root: DomElement): void {
  let node: DomNode | null = following(root, root, true);
  while (node) {
    const dropped: DomElement | null = isElement(node) && isNoise(node) ? node : null;
    node = following(node, root, dropped === null);
    dropped?.remove();
  }
}

function isNoise(element: DomElement): boolean {
  const tag = element.localName;
  if (NOISE.has(tag) || CHROME.has(tag)) return true;
  for (const { name, value } of element.attributes) {
    switch (name) {
      case 'hidden':
        return true;
      case 'aria-hidden':
      case 'aria-modal':
        if (value === 'true') return true;
        break;
      case 'role':
        if (CHROME_ROLES.has(value)) return true;
        break;
      case 'style':
        if (UNSEEN.test(value) || (TRANSPARENT.test(value) && !FADING.test(value))) return true;
        break;
      case 'id':
      case 'class':
        if (tag !== 'body' && isBeside(value, element)) return true;
    }
  }
  return false;
}

function isBeside(names: string, element: DomElement): boolean {
  const length = () => (element.textContent ?? '').length;
  if (CONSENT.test(names)) return length() < LONGEST_BANNER;
  return names.split(/\s+/).some((name) => BESIDE.has(name)) && length() < LONGEST_BESIDE;
}

/** Characters of text outside links: menus and link lists do not count as text lost. Cost O(page). */
export function proseLength(root: DomElement): number {
  let length = 0;
  let node: DomNode | null = root;
  while (node) {
    const text = textOf(node);
    if (text !== null) length += text.replace(/\s+/g, ' ').length;
    node = following(node, root, !(isElement(node) && node.localName === 'a'));
  }
  return length;
}
