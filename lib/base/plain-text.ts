/**
 * Text from others is text: a name, a reason, a line of a log, a header, a database's message. What a terminal would take for a command
 * (a title, a cursor that moves, a clipboard, a direction of writing) is taken out where output leaves: lib/report and lib/terminal.
 */

const esc = '\u001b';
/** Ends a string sequence: BEL or ST. A sequence that nothing ends is not one: only its first character goes. */
const end = `(?:\u0007|${esc}\\\\|\u009c)`;
const sequences = new RegExp(
  [
    // OSC, DCS, SOS, PM and APC: their text is the terminal's, and nobody reads it.
    `(?:${esc}[\\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u009c${esc}\\n]*${end}`,
    `(?:${esc}\\[|\u009b)[0-?]*[ -/]*[@-~]`,
    `${esc}[ -/]+[0-~]`,
  ].join('|'),
  'gu',
);
/** All that is left of them, and what turns a line around or hides in it. Joiners stay: names are written with them. */
const unseen = /(?!\n)[\p{Cc}\p{Bidi_Control}\u200b\u2060\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** Lines stay lines. What a carriage return would write over is a line of its own. */
export function plainText(text: string): string {
  return text
    .replace(sequences, '')
    .replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n')
    .replaceAll('\t', ' ')
    .replace(unseen, '');
}

/** Nobody adds a line to a log by a name or a reason. */
export const oneLine = (text: string): string =>
  plainText(text)
    .replace(/ *\n+ */g, ' ')
    .trim();

/** What people and AWS give a name for. */
const ofOneLine = new Set(['who', 'where', 'reason', 'why', 'outcome', 'code', 'step', 'system', 'window', 'name', 'version', 'commit']);

/** The same with plain text in it, however deep; what a function answers, too. */
export function plain<T>(value: T, key?: string): T {
  return cleaned(value, key) as T;
}

function cleaned(value: unknown, key: string | undefined): unknown {
  if (typeof value === 'string') return key !== undefined && ofOneLine.has(key) ? oneLine(value) : plainText(value);
  if (typeof value === 'function') return (...args: unknown[]) => cleaned(value(...args), undefined);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => cleaned(each, key));
  if (value instanceof Map) return new Map([...value].map(([name, each]) => [cleaned(name, undefined), cleaned(each, undefined)]));
  if (value instanceof Error) return cleanedError(value);
  const kind = Object.getPrototypeOf(value);
  if (kind !== Object.prototype && kind !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [plainText(name), cleaned(each, name)]));
}

/** Still what it was, with its message and its stack as text. */
function cleanedError(error: Error): Error {
  const own = Object.getOwnPropertyDescriptors(error) as Record<string, PropertyDescriptor>;
  for (const [name, property] of Object.entries(own))
    if (name !== 'cause' && 'value' in property) property.value = cleaned(property.value, name);
  return Object.create(Object.getPrototypeOf(error) as object, own) as Error;
}

/** As it stands in a regular expression: what means something there means itself. */
export const inPattern = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
