/** Makes the logs of many processes one readable text. */

const colours = [36, 32, 35, 34, 33, 96, 92, 95, 94, 93];
const levelColours = { warn: 33, error: 31 };

/** What every line of a role repeats, and its prefix says. */
const known = new Set(['at', 'level', 'role', 'event']);

/**
 * @param {string[]} names of the processes, in the order of their colours
 * @param {boolean} coloured
 * @returns {(name: string, line: string) => string} a line for a person: `agent-1    | 12:30:01.250 ready port=40123`
 */
export function lineRenderer(names, coloured) {
  const width = Math.max(...names.map((name) => name.length));
  const paint = (text, colour) => (coloured && colour !== undefined ? `\u001b[${colour}m${text}\u001b[0m` : text);
  return (name, line) => {
    const prefix = paint(`${name.padEnd(width)} |`, colours[names.indexOf(name) % colours.length]);
    const { text, level } = readable(line);
    return `${prefix} ${paint(text, levelColours[level])}`;
  };
}

/** A JSON log line as words; any other line as it is, without what could move the cursor. */
function readable(line) {
  const entry = parse(line);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to go
  if (typeof entry?.event !== 'string') return { text: line.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '') };
  const time = typeof entry.at === 'string' ? [entry.at.slice(11, 23)] : [];
  const level = entry.level === 'info' || entry.level === undefined ? [] : [String(entry.level).toUpperCase()];
  const fields = Object.entries(entry)
    .filter(([key, value]) => !known.has(key) && value !== undefined && value !== null)
    .map(([key, value]) => `${key}=${shown(value)}`);
  return { text: [...time, ...level, entry.event, ...fields].join(' '), level: entry.level };
}

function shown(value) {
  if (typeof value === 'string' && /^[\w.:/@+-]+$/.test(value)) return value;
  return JSON.stringify(value);
}

function parse(line) {
  try {
    return line.startsWith('{') ? JSON.parse(line) : undefined;
  } catch {
    return undefined;
  }
}
