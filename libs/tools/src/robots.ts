/** One line of a robots.txt: `path` in the form in which paths are compared. */
export interface RobotsRule {
  readonly allow: boolean;
  readonly path: string;
}

/** What a robots.txt says to one robot. */
export interface RobotsRules {
  readonly rules: readonly RobotsRule[];
  /** Seconds between two requests, as `Crawl-delay` asks (no part of the RFC, yet widely meant); 0 when it does not. */
  readonly delaySeconds: number;
}

/** RFC 9309 2.5: a robot reads at least this much; what comes after it is left out. */
export const ROBOTS_BYTES = 500 * 1024;

interface Group {
  readonly agents: string[];
  readonly rules: RobotsRule[];
  delaySeconds: number;
}

/**
 * Reads a robots.txt as RFC 9309 says: all groups of this robot together, else all groups for everybody.
 * @param product the robot's product token, as in its User-Agent before the slash
 */
export function parseRobots(text: string, product: string): RobotsRules {
  const groups = groupsOf(text);
  const named = product.toLowerCase();
  const own = groups.filter(({ agents }) => agents.includes(named));
  const chosen = own.length > 0 ? own : groups.filter(({ agents }) => agents.includes('*'));
  return {
    rules: chosen.flatMap(({ rules }) => rules),
    delaySeconds: Math.max(0, ...chosen.map(({ delaySeconds }) => delaySeconds)),
  };
}

function groupsOf(text: string): Group[] {
  const groups: Group[] = [];
  let group: Group | null = null;
  /** Agents one below the other share a group; the first rule closes the list. */
  let open = false;
  for (const line of text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/)) {
    const [, key = '', value = ''] = /^\s*([A-Za-z-]+)\s*:\s*([^#]*)/.exec(line) ?? [];
    switch (key.toLowerCase()) {
      case 'user-agent':
        if (!group || !open) {
          group = { agents: [], rules: [], delaySeconds: 0 };
          groups.push(group);
        }
        group.agents.push(/^[\w-]+/.exec(value)?.[0].toLowerCase() ?? value.trim());
        open = true;
        break;
      case 'allow':
      case 'disallow':
        open = false;
        if (value.trim() !== '') group?.rules.push({ allow: /^a/i.test(key), path: comparable(value.trim()) });
        break;
      case 'crawl-delay':
        open = false;
        if (group && Number(value) > 0) group.delaySeconds = Number(value);
    }
  }
  return groups;
}

/**
 * Whether a robot may ask for a path: the longest rule that matches decides, of two as long the one that allows.
 * Cost O(rules * (path + rule)).
 * @param path with its query, as in a URL
 */
export function allowsRobot({ rules }: RobotsRules, path: string): boolean {
  if (path === '/robots.txt') return true;
  const asked = comparable(path);
  let best: RobotsRule | null = null;
  for (const rule of rules) {
    const length = best?.path.length ?? -1;
    if (rule.path.length < length || (rule.path.length === length && !rule.allow)) continue;
    if (matches(rule.path, asked)) best = rule;
  }
  return best?.allow ?? true;
}

/** `*` stands for anything, `$` at the end for the end. No regular expression: robots.txt is anybody's input. */
function matches(pattern: string, path: string): boolean {
  const anchored = pattern.endsWith('$');
  const [first = '', ...parts] = (anchored ? pattern.slice(0, -1) : pattern).split('*');
  if (!path.startsWith(first)) return false;
  let at = first.length;
  const last = anchored ? parts.pop() : undefined;
  for (const part of parts) {
    const found = path.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  if (!anchored) return true;
  return last === undefined ? at === path.length : path.length - last.length >= at && path.endsWith(last);
}

/** RFC 9309 2.2.2: octets outside ASCII are percent-encoded, unreserved characters are not, before they are compared. */
function comparable(path: string): string {
  const encoded = path.toWellFormed().replace(/[^\x21-\x7e]/gu, encodeURIComponent);
  return encoded.replace(/%([\da-f]{2})/gi, (written, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[\w.~-]/.test(character) ? character : written.toUpperCase();
  });
}
