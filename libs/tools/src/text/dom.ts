import { parseHTML } from 'linkedom';

/** The little of the DOM that is used here; linkedom's own types want the browser's library. */
export interface DomNode {
  readonly nodeType: number;
  readonly nodeValue: string | null;
  readonly firstChild: DomNode | null;
  readonly nextSibling: DomNode | null;
  readonly parentNode: DomNode | null;
  readonly textContent: string | null;
}

/** An element of a page. */
export interface DomElement extends DomNode {
  readonly localName: string;
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
  getAttribute(name: string): string | null;
  remove(): void;
}

/** A page; `body` is there whatever the page held. */
export interface DomDocument extends DomNode {
  readonly documentElement: DomElement;
  readonly body: DomElement;
}

/** Makes a document of HTML that has an `html` and a `body` element. */
export type ParseDom = (html: string) => DomDocument;

const TEXT = 3;

/** Parses with linkedom: no layout, no scripts, several times faster than a full DOM. */
export const parseDom: ParseDom = (html) => parseHTML(html).document as unknown as DomDocument; // the subset above

export function isElement(node: DomNode): node is DomElement {
  return node.nodeType === 1;
}

/** The characters of a text node; null for anything else. */
export function textOf(node: DomNode): string | null {
  return node.nodeType === TEXT ? (node.nodeValue ?? '') : null;
}

/**
 * The node after `node` in the tree below `root`, null at the end; `into` false passes over what `node` holds. Loops and
 * no recursion: pages nest as deep as they like.
 */
export function following(node: DomNode, root: DomNode, into: boolean): DomNode | null {
  if (into && node.firstChild) return node.firstChild;
  for (let up: DomNode | null = node; up && up !== root; up = up.parentNode) {
    if (up.nextSibling) return up.nextSibling;
  }
  return null;
}

/**
 * The elements below `root` with one of these names, in order of the page. Cost O(page), a fraction of a selector's: those
 * are compiled anew each time.
 */
export function named(root: DomNode, ...names: readonly string[]): DomElement[] {
  const found: DomElement[] = [];
  for (let node = following(root, root, true); node; node = following(node, root, true)) {
    if (isElement(node) && names.includes(node.localName)) found.push(node);
  }
  return found;
}

/** The first of {@link named}. */
export function firstNamed(root: DomNode, name: string): DomElement | null {
  for (let node = following(root, root, true); node; node = following(node, root, true)) {
    if (isElement(node) && node.localName === name) return node;
  }
  return null;
}

/** How deep elements nest below `root`. Cost O(page). */
export function depthOf(root: DomNode): number {
  let [depth, deepest] = [0, 0];
  let node: DomNode = root;
  for (;;) {
    if (node.firstChild) {
      node = node.firstChild;
      deepest = Math.max(deepest, ++depth);
      continue;
    }
    while (!node.nextSibling) {
      if (node === root || !node.parentNode) return deepest;
      node = node.parentNode;
      depth--;
    }
    if (node === root) return deepest;
    node = node.nextSibling;
  }
}

/** Runs of white space as one space, none at the ends. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
