import { type Block, HeadingPath, type Line, linesOf } from './blocks.ts';

const DECLARATION =
  /^\s*(?:(?:export|declare|default|abstract|async|public|private|protected|static|final|pub(?:\([^)]*\))?)\s+)*(class|interface|enum|namespace|module|function|type|trait|struct|impl|def|fn|func)\b\s*\*?\s*([\w$.]+)/;
const COMMENT = /^\s*(?:\/\/|\/\*|--\s|#(?!include|define|if|endif|else|\[|!))/;

/** A run of lines that belongs together: comment lines, then the code that they speak of. */
interface Unit {
  readonly lines: Line[];
  hasCode: boolean;
  declaration: { indent: number; name: string } | null;
}

/**
 * Blocks of source code: a comment stays with the code after it, a blank line or the next comment ends the block.
 * The headings are the declarations around it and its own (`class Queue`), found by keyword and indentation.
 */
export function codeBlocks(text: string): Block[] {
  const path = new HeadingPath();
  const blocks: Block[] = [];
  for (const unit of unitsOf(linesOf(text))) {
    const [first, last] = [unit.lines[0], unit.lines.at(-1)];
    if (!first || !last) continue;
    const indent = indentOf(first.text);
    if (!/^\s*[)}\]]/.test(first.text)) path.leave(indent);
    if (unit.declaration) path.enter(unit.declaration.indent, unit.declaration.name);
    const closeAt = unit.declaration && indent === 0 ? 300 : Number.POSITIVE_INFINITY;
    const leads = !unit.hasCode || /[{(:]\s*$/.test(last.text);
    blocks.push({ start: first.start, end: last.end, headings: path.path, closeAt, leads });
  }
  return blocks;
}

function unitsOf(lines: readonly Line[]): Unit[] {
  const units: Unit[] = [];
  let unit: Unit = { lines: [], hasCode: false, declaration: null };
  const flush = () => {
    if (unit.lines.length > 0) units.push(unit);
    unit = { lines: [], hasCode: false, declaration: null };
  };
  for (let i = 0; i < lines.length; ) {
    const line = lines[i];
    if (!line) break;
    const comment = COMMENT.test(line.text);
    const declaration = comment ? null : declarationOf(line.text);
    if (line.text.trim() === '' || (unit.hasCode && (comment || declaration))) flush();
    const next = comment ? commentEnd(lines, i) : i + 1;
    if (line.text.trim() !== '') {
      unit.lines.push(...lines.slice(i, next));
      unit.hasCode ||= !comment;
      unit.declaration ??= declaration;
    }
    i = next;
  }
  flush();
  return units;
}

function commentEnd(lines: readonly Line[], index: number): number {
  if (!/^\s*\/\*/.test(lines[index]?.text ?? '')) return index + 1;
  for (let i = index; i < lines.length; i++) {
    if (lines[i]?.text.includes('*/')) return i + 1;
  }
  return lines.length;
}

function declarationOf(text: string): Unit['declaration'] {
  const match = DECLARATION.exec(text);
  return match ? { indent: indentOf(text), name: `${match[1]} ${match[2]}` } : null;
}

function indentOf(text: string): number {
  return text.length - text.trimStart().length;
}
