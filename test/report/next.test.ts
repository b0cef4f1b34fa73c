/** "Next" can be followed: whatever is advised anywhere, typed as it stands, is accepted by the command line. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Advice, answers, type Command } from '../../lib/base/advice';
import { errorCodes } from '../../lib/base/error-codes';
import { type AskedOf, again } from '../../lib/engine/again';
import type { Verb } from '../../lib/engine/events';
import { acceptCommand } from '../../lib/engine/verdict';
import { reasonMissing } from '../../lib/operations/accept-difference';
import { spell } from '../../lib/report/advice';
import { releaseMended } from '../../lib/steps/deployed-anew';
import { taken } from '../../lib/terminal/commands';
import { verbs as table } from '../../lib/terminal/verbs';
import { manifest, window } from '../_helpers/runbook';
import { commandsIn, readAs, wrongWith } from './typed';

const root = join(__dirname, '../..');
const verbs: readonly Verb[] = ['stage', 'cutover', 'rollback', 'teardown'];
const scripts = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts;

const wrong = (all: readonly { readonly of: string; readonly command: Command }[]): string[] =>
  all.flatMap(({ of, command }) => {
    const what = 'verb' in command ? wrongWith(command) : undefined;
    return what === undefined ? [] : [`${of}: ${what}`];
  });

test('what every error code advises is accepted', () => {
  const all = Object.entries(errorCodes).flatMap(([of, { wayOut }]) => commandsIn(wayOut as Advice).map((command) => ({ of, command })));
  expect(Object.keys(errorCodes).length).toBeGreaterThan(100);
  expect(all.length).toBeGreaterThan(100);
  expect(wrong(all)).toEqual([]);
});

/** The arguments of a call as they are written; undefined where the source ends before it does. */
function argumentsAt(source: string, from: number): string[] {
  const found: string[] = [];
  let [depth, begun] = [0, from];
  for (let i = from; i < source.length; i += 1) {
    const letter = source[i]!;
    if (letter === "'" || letter === '"' || letter === '`') {
      for (i += 1; source[i] !== letter; i += 1) if (source[i] === '\\') i += 1;
    } else if ('([{'.includes(letter)) depth += 1;
    else if (depth > 0 && ')]}'.includes(letter)) depth -= 1;
    else if (depth === 0 && (letter === ',' || letter === ')')) {
      const argument = source.slice(begun, i).trim();
      if (argument !== '') found.push(argument);
      begun = i + 1;
      if (letter === ')') return found;
    }
  }
  return found;
}

/** What stands for a value that is only known at run time, by the option that it belongs to. */
const known: Readonly<Record<string, string>> = { '--answer': 'go', '--at-decision': 'hold' };

/** A word as it is written in the source; undefined where it is no literal. */
function literal(argument: string): string | undefined {
  const text = /^(['"`])(.*)\1(?: as const)?$/s.exec(argument)?.[2];
  return text?.replace(/\$\{[^}]*\}/g, known[text.split(' ')[0] ?? ''] ?? 'x:y');
}

test('every call that advises a command in the sources advises one that is accepted', () => {
  const files = execFileSync('git', ['ls-files', 'lib'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  const calls = files
    .filter((file) => file !== 'lib/base/advice.ts')
    .flatMap((file) => {
      const source = readFileSync(join(root, file), 'utf8');
      return [...source.matchAll(/\b(?:switchback|evaluate)\(/g)].map((call) => {
        const [verb = '', ...words] = argumentsAt(source, call.index + call[0].length);
        return {
          of: `${file}:${source.slice(0, call.index).split('\n').length}`,
          verb: literal(verb),
          words: words.map(literal),
          written: words,
        };
      });
    });
  const literals = calls.filter(({ verb }) => verb !== undefined);
  expect(literals.length).toBeGreaterThan(200);
  // what is spread, or a word made elsewhere, is walked below.
  const all = literals
    .filter(({ words }) => words.every((word) => word !== undefined))
    .map(({ of, verb, words }) => ({ of, command: { verb, words } as Command }));
  expect(literals.length - all.length).toBeLessThan(6);
  expect(wrong(all)).toEqual([]);
});

test('what was asked of a run is repeated whole, and accepted, whatever was asked', () => {
  const asked: readonly AskedOf[] = [
    {},
    { now: true },
    { keepStandby: true },
    { now: true, keepStandby: true },
    { undo: true },
    { acceptLoss: true },
    { acceptedLosses: ['column.dropped:public.a.b'] },
    { acceptedLosses: ['column.dropped:public.a.b', "table.dropped:public.it's here", 'type.changed:public."a b".c'] },
    { now: true, keepStandby: true, undo: true, acceptLoss: true, acceptedLosses: ['a:b', 'c:d'] },
  ];
  const all = verbs.flatMap((verb) =>
    asked.flatMap((its) =>
      [[], ['--yes'], ['--take-over']].map((more) => ({ of: `${verb} ${JSON.stringify(its)}`, command: again(verb, its, ...more) })),
    ),
  );
  expect(wrong(all)).toEqual([]);
  const ids = ['a:b', "table.dropped:public.it's here"];
  for (const verb of ['stage', 'cutover'] as const) expect(readAs(again(verb, { acceptedLosses: ids })).flags.acceptLoss).toEqual(ids);
});

test('what the proof found is accepted by all of its names at once, however they are spelled', () => {
  const finding = (id: string) => ({ id, is: 'different' as const, what: 'differs' });
  const ids = ['public.orders:different', 'public."Ä b":only', "public.it's:different"];
  const all = [
    ...answers.map((command) => ({ of: 'a question', command })),
    ...ids.map((_, n) => ({ of: `${n + 1} findings`, command: acceptCommand(ids.slice(0, n + 1).map(finding)) })),
    ...reasonMissing(ids).next.flatMap((advice) => commandsIn(advice).map((command) => ({ of: 'no reason', command }))),
  ];
  expect(wrong(all)).toEqual([]);
  expect(readAs(acceptCommand(ids.map(finding))).flags.acceptDifference).toEqual(ids);
});

test('no stack is named but as the app names it', () => {
  const files = execFileSync('git', ['ls-files', 'lib'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  const spelled = files
    // nothing deployed yet could say how: both ways are named there.
    .filter((file) => file !== 'lib/base/advice.ts')
    .flatMap((file) => (readFileSync(join(root, file), 'utf8').match(/\bdeploy\(\s*['"`]/g) ?? []).map(() => file));
  expect(spelled).toEqual([]);
});

test('after a stage that failed for what was deployed: undone first, as the guard refuses a deploy while the window is open', () => {
  const prod = { ...manifest, shared: { ...manifest.shared, stackPath: 'Prod' } };
  const next = releaseMended({ manifest: prod, window });
  expect(next.map(spell)).toEqual([
    'npx switchback stage --undo',
    'then, with a mended release and window: 2 in your CDK app: npx cdk deploy Prod/green Prod/fallback-w2',
    'npx switchback stage',
  ]);
  const early = Object.entries(errorCodes).flatMap(([code, { wayOut }]) => {
    const text = spell(wayOut as Advice);
    const [deployed, undone] = [text.search(/\bdeploy\b/i), text.indexOf('stage --undo')];
    return code.startsWith('trial.') && deployed >= 0 && (undone < 0 || undone > deployed) ? [code] : [];
  });
  expect(early).toEqual([]);
});

test('an option that stands in a sentence is one of the verb', () => {
  const longs = new Set(taken().flatMap(({ options }) => options.map(({ long }) => long)));
  const sentences = Object.entries(errorCodes).flatMap(([code, { wayOut }]) => {
    const advice = wayOut as Advice;
    const texts = 'say' in advice ? advice.say.filter((part): part is string => typeof part === 'string') : [];
    return texts.flatMap((text) => [...text.matchAll(/--[a-z-]+/g)].map(([long]) => ({ code, long })));
  });
  expect(sentences.length).toBeGreaterThan(5);
  expect(sentences.filter(({ long }) => !longs.has(long))).toEqual([]);
});

test('every verb that may be advised is a script of this repository', () => {
  expect([...table.map(({ name }) => name), 'sandbox'].filter((name) => scripts[name] === undefined)).toEqual([]);
});
