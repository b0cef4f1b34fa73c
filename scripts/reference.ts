/** `npm run reference`: docs/errors.md and docs/reference/commands.md, from the code (test/docs/reference.test.ts holds them to it). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import type { Advice } from '../lib/base/advice';
import { errorCodes } from '../lib/base/error-codes';
import { exit, exitMeanings } from '../lib/base/errors';
import { fallbackChecks, productionChecks } from '../lib/postgres/preflight/checks';
import { computedFindings } from '../lib/postgres/preflight/computed';
import type { Check } from '../lib/postgres/preflight/finding';
import { spell } from '../lib/report/advice';
import { commandLine } from '../lib/terminal/commands';
import { verbs } from '../lib/terminal/verbs';

const made = '<!-- Made by `npm run reference`: change the code, not this page. -->';

/** Names for what a deploy chooses, so that the SQL can be read. */
const roles = { owner: 'shop_owner', read: 'shop_read', write: 'shop_write', reader: 'shop_reader', migrator: 'shop_migrator' };

/** Commands in backticks, as somebody types them who installed the package. */
function spelled(advice: Advice): string {
  if (!('say' in advice)) return `\`${spell(advice)}\``;
  return advice.say.map((part) => (typeof part === 'string' ? part : `\`${spell(part)}\``)).join('');
}

/** A pipe would end the cell, and an angle bracket begin an element. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replace(/<(?=[a-z])/gi, '&lt;');
const code = (text: string): string => `\`${text.replace(/\s+/g, ' ').trim()}\``;
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
/** Commands are already in backticks, where an angle bracket begins nothing. */
const wayOut = (advice: Advice): string => spelled(advice).replaceAll('|', '\\|');

interface Shown {
  readonly code: string;
  readonly where: string;
  readonly severity: string;
  readonly what: string;
  readonly sql: string;
  readonly wayOut: string;
}

const ofCheck =
  (where: string) =>
  ({ code, ahead, window, sql, what, wayOut }: Check): Shown => ({
    ...{ code, where, sql, wayOut, what: what.replaceAll("'{}'", '…').replaceAll('{}', '…') },
    severity: window === undefined || window === ahead ? ahead : `${ahead}; without a feed ${window}`,
  });

export function errorsPage(): string {
  const findings: Shown[] = [
    ...productionChecks(roles).map(ofCheck('production')),
    ...fallbackChecks.map(ofCheck('fallback')),
    ...Object.entries(computedFindings).map(([name, finding]) => ({ ...finding, code: name, where: '' })),
  ].sort((a, b) => (a.code < b.code ? -1 : a.code > b.code ? 1 : a.where < b.where ? 1 : -1));
  return `${[
    made,
    '# Error codes',
    '',
    'An error ends a command with its code, what failed, what state things are in, and what to type. With `--json` it is the member `code` of the last line.',
    'A code keeps its meaning from version to version. [Exit codes](reference/commands.md#exit-codes) say less, and are for scripts.',
    'In a checkout of the repository `npx switchback rollback` is `npm run rollback`, and its options stand after `--`. Errors themselves name stacks as your app does.',
    '',
    '| code | what has happened | way out |',
    '|---|---|---|',
    ...Object.entries(errorCodes)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { means, wayOut: way }]) => row(`\`${name}\``, cell(means), wayOut(way))),
    '',
    '## What the preflight finds',
    '',
    '`stage` looks at both databases before anything else. A finding of severity `refuse` stops it (`preflight.refused`), `warn` is to be looked at before the cutover,',
    '`note` is good to know, `off` is not looked at. What you have looked at is named in `database.acknowledgedFindings`, and is then a `warn`.',
    `The names of the roles below are those of a system \`shop\`. The finding itself has the names and values.`,
    '',
    ...findings.flatMap(({ code: name, where, severity, what, sql, wayOut: way }) => [
      `### ${name}${where === '' ? '' : ` (${where})`}`,
      '',
      `- **severity**: ${severity}`,
      `- **what**: ${cell(what)}`,
      ...(sql === '' ? [] : [`- **shown by**: ${code(sql)}`]),
      `- **way out**: ${cell(way)}`,
      '',
    ]),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

function optionsOf(command: Command): string[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ flags, description, argChoices, defaultValue }) => {
      const inWords = /^(.*) \(default: (.*)\)$/.exec(description);
      const of = argChoices ? ` (${argChoices.join(', ')})` : '';
      // a --no-option is on by itself.
      const value = inWords?.[2] ?? (defaultValue === undefined || defaultValue === true ? '' : String(defaultValue));
      return row(code(flags), cell(`${inWords?.[1] ?? description}${of}`), cell(value));
    });
}

function verbPage(command: Command, details: string): string[] {
  return [
    `## ${command.name()}`,
    '',
    '```',
    `switchback ${command.name()} ${command.usage()}`,
    '```',
    '',
    `${capital(command.description())}.`,
    '',
    details,
    '',
    '| option | meaning | default |',
    '|---|---|---|',
    ...optionsOf(command),
    '',
  ];
}

export function commandsPage(): string {
  const program = commandLine(() => async () => undefined);
  const details = new Map<string, string>(verbs.map((verb) => [verb.name, verb.details]));
  return `${[
    made,
    '# Command reference',
    '',
    'Made from the command line itself. What the verbs do to a system, and why, is in [commands](../commands.md).',
    'Type `npx switchback <verb>` where the package is installed, `npm run <verb> -- <options>` in a checkout of the repository.',
    '',
    '| option without a verb | meaning | default |',
    '|---|---|---|',
    ...optionsOf(program),
    '',
    ...program.commands.flatMap((command) => verbPage(command, details.get(command.name()) ?? '')),
    '## Exit codes',
    '',
    '| exit code | meaning |',
    '|---|---|',
    ...(Object.keys(exit) as (keyof typeof exit)[]).map((name) => row(String(exit[name]), exitMeanings[name])),
    '',
    'Which error it was is said by its [code](../errors.md).',
  ].join('\n')}\n`;
}

export const pages: Readonly<Record<string, () => string>> = {
  'docs/errors.md': errorsPage,
  'docs/reference/commands.md': commandsPage,
};

if (require.main === module) {
  for (const [path, page] of Object.entries(pages)) {
    const file = join(__dirname, '..', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, page());
  }
}
