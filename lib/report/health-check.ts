/** What `status --check` has found: each thing in a row, and what to type where it is not as it should be. */
import type { CheckReport } from '../operations/check-report';
import { spell } from './advice';
import { dateTime, localTimes, type Style, wrap } from './style';

export function checkScreen({ system, window, at, checks, rollbackPossibleUntil, mendBy, wayBack }: CheckReport, style: Style): string[] {
  const { paint, columns } = style;
  const lines = [paint('bold', `${system}${window ? ` ${window}` : ''}, looked at ${dateTime(at, style)}`), ''];
  for (const { name, ok, what, next } of checks) {
    const texts = what.flatMap((sentence) => wrap(localTimes(sentence, style), columns - 13));
    const mark = ok ? paint('green', '✔') : paint('red', '✖');
    for (const [i, text] of texts.entries())
      lines.push(`${i === 0 ? `${mark} ${name.padEnd(10)}` : ' '.repeat(12)} ${ok ? text : paint('red', text)}`);
    for (const advice of next)
      lines.push(...wrap(`→ ${localTimes(spell(advice), style)}`, columns - 13).map((line) => `${' '.repeat(13)}${paint('bold', line)}`));
  }
  if (wayBack) {
    const ends = (rollbackPossibleUntil ?? mendBy)?.ends;
    const why =
      ends === 'hold'
        ? ': then the hold ends'
        : ends === 'limit'
          ? ': then production gives the fallback up, at the rate at which it writes now'
          : '';
    lines.push(
      '',
      ...wrap(rollbackPossibleUntil ? localTimes(`${wayBack}${why}`, style) : paint('red', localTimes(`${wayBack}${why}`, style)), columns),
    );
  }
  const bad = checks.filter(({ ok }) => !ok).length;
  const verdict =
    bad === 0 ? paint('green', 'Everything is as it should be.') : paint('red', `${bad} of ${checks.length} not as it should be.`);
  return [...lines, '', verdict];
}
