/** `switchback try`: what is tried comes from files, two servers from whoever has them; what came of it is printed. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { wallClock } from '../base/clock';
import { exit, messageOf, Stop } from '../base/errors';
import { plain } from '../base/plain-text';
import { type Tried, type Trying, tryAll } from '../operations/try';
import { type Case, readCases, tryingOf, wrongAnswers } from '../operations/try/case';
import { type ScriptStatement, statementsOf } from '../postgres/connection/script';
import type { Declared } from '../postgres/schema/declared';
import type { Output } from '../report';
import { type Flags, more } from './flags';
import { sandboxPackage } from './sandbox-package';
import type { Tools } from './tools';

const majors = [15, 16, 17, 18];

export const tryOptions = (command: Command): Command =>
  command
    .option('--before <file>', 'SQL that makes the old schema, with rows; run as psql would run it')
    .option('--dump <file>', 'the same, as pg_dump has written it in a format of its own (needs pg_restore)')
    .option('--migrate <file>', 'SQL of the migrations')
    .option('--migrate-command <command>', 'the command that runs the migrations; finds the database in DATABASE_URL')
    .option('--bridges <file>', 'what the app declares (columns, rows), as JSON')
    .option('--accept-loss <ids...>', 'schema differences that a rollback may lose, by their ids')
    .option('--bookkeeping <tables...>', 'tables in which the migration tool notes what it has run, by schema and name')
    .option('--writes <file>', 'SQL that the new release runs after the opening')
    .option('--back-writes <file>', 'SQL that the old release runs after the rollback')
    .option('--ask <sql>', 'asked of the fallback afterwards, and printed; may be given again', more)
    .option('--case <file>', 'cases as JSON, each with what must come of it (docs/try.md)')
    .option('--id <id>', 'with --case: only this one; may be given again', more)
    .addOption(
      new Option('--postgres <major>', `the servers: ${majors.join(', ')}; one that is not here is fetched once`).argParser((text) => {
        if (!majors.includes(Number(text))) throw new InvalidArgumentError(`it is one of ${majors.join(', ')}.`);
        return Number(text);
      }),
    )
    .option('--json', 'JSON lines on standard output')
    .option('--no-color', 'no colors (NO_COLOR works too)');

export async function tryVerb(flags: Flags, output: Output, tools: Tools): Promise<number> {
  const cases = flags.case === undefined ? undefined : casesOf(flags.case, flags.id);
  const tryings = cases ? cases.map(tryingOf) : [await tryingFrom(flags)];
  const startServers = tools.servers ? await tools.servers() : sandboxPackage().startPair;
  const servers = await startServers({ feeds: tryings.length, ...(flags.postgres === undefined ? {} : { major: flags.postgres }) });
  let worst: number = exit.done;
  try {
    const runs = (one: Case): boolean => one.postgres <= servers.major;
    for (const { id, postgres } of (cases ?? []).filter((one) => !runs(one)))
      output.note(`${id} needs PostgreSQL ${postgres}: left out (--postgres ${postgres})`);
    const left = cases ? cases.filter(runs).map(tryingOf) : tryings;
    await tryAll(left, {
      servers,
      elapsed: () => wallClock.elapsed(),
      ...(cases ? {} : { onStep: (_id, _verb, title) => output.note(title) }),
      onTried: (tried) => {
        const judged = plain(
          judge(
            tried,
            cases?.find(({ id }) => id === tried.id),
          ),
        );
        worst = worse(worst, codeOf(judged));
        process.stdout.write(`${flags.json ? jsonOf(judged) : linesOf(judged).join('\n')}\n`);
      },
    });
  } finally {
    await servers.end();
  }
  return worst;
}

/** Right is: the proof is equal, and the answers are those that were written down. */
function judge(tried: Tried, one: Case | undefined): Tried {
  if (!one || tried.outcome !== 'lossless') return tried;
  const wrong = wrongAnswers(one, tried.asked, tried.askedOfProduction);
  return wrong.length === 0 ? tried : { ...tried, outcome: 'wrong', differences: wrong };
}

const codeOf = ({ outcome }: Tried): number =>
  ({ lossless: exit.done, refused: exit.refused, wrong: exit.failed, failed: exit.failed })[outcome];

/** Something that is wrong is worse than something that was refused. */
const worse = (a: number, b: number): number => (a === exit.failed || b === exit.failed ? exit.failed : Math.max(a, b));

const jsonOf = ({ lossManifest, ...tried }: Tried): string =>
  JSON.stringify({ event: 'try.finished', ...tried, lossManifest: lossManifest.map(lossWords) });

const lossWords = ({ is, what, rows }: Tried['lossManifest'][number]): string =>
  `${is}: ${what}${rows === undefined ? '' : ` (${rows} rows)`}`;

function linesOf({ id, outcome, at, differences, lossManifest, asked, seconds }: Tried): string[] {
  return [
    `${id}: ${outcome}${outcome === 'lossless' ? '' : ` at the ${at}`} (${seconds.toFixed(1)} s)`,
    ...differences.map((text) => `  ${text}`),
    ...lossManifest.map((loss) => `  ${lossWords(loss)}`),
    ...asked.map((answer) => `  ${JSON.stringify(answer)}`),
  ];
}

function casesOf(file: string, ids: readonly string[] | undefined): Case[] {
  const all = parsed(file, readCases);
  const found = ids ? all.filter(({ id }) => ids.includes(id)) : all;
  const missing = (ids ?? []).filter((id) => !found.some((one) => one.id === id));
  if (missing.length > 0) throw usage(`${file} has no case ${missing.join(', ')}`);
  return found;
}

async function tryingFrom(flags: Flags): Promise<Trying> {
  const { before, dump, migrate, migrateCommand, bridges, writes, backWrites, ask = [], acceptLoss, bookkeeping } = flags;
  if ((before === undefined) === (dump === undefined))
    throw usage('give the old schema by --before FILE.sql or by --dump FILE, or cases by --case FILE.json');
  if ((migrate === undefined) === (migrateCommand === undefined))
    throw usage("give the migrations by --migrate FILE.sql or by --migrate-command '<what runs them>'");
  return {
    id: 'try',
    before: before === undefined ? statementsIn(dump!, await restored(dump!)) : script(before),
    migrate: migrate === undefined ? (url) => shell(migrateCommand!, url) : script(migrate),
    ...(bridges === undefined ? {} : { declared: parsed(bridges, (text) => JSON.parse(text) as Declared) }),
    ...(Array.isArray(acceptLoss) ? { accepted: acceptLoss as string[] } : {}),
    ...(bookkeeping === undefined ? {} : { bookkeeping }),
    ...(writes === undefined ? {} : { writes: script(writes) }),
    ...(backWrites === undefined ? {} : { backWrites: script(backWrites) }),
    ask,
  };
}

const usage = (message: string): Stop => new Stop('usage', message, { exit: exit.usage });

const script = (file: string): ScriptStatement[] => parsed(file, statementsOf);
const statementsIn = (file: string, text: string): ScriptStatement[] => named(file, () => statementsOf(text));

const parsed = <T>(file: string, parse: (text: string) => T): T => named(file, () => parse(readFileSync(file, 'utf8')));

function named<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw usage(`${file}: ${messageOf(error)}`);
  }
}

/** A dump in a format of pg_dump's own, as SQL. Owners and grants are of roles that are not here. */
function restored(file: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('pg_restore', ['--no-owner', '--no-acl', '--file=-', file], { stdio: ['ignore', 'pipe', 2] });
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    child.once('error', (error) => {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      reject(
        usage(
          missing
            ? `--dump needs pg_restore, which is not on the PATH: install PostgreSQL's client programs, or give the SQL of pg_dump --format=plain by --before`
            : `pg_restore: ${error.message}`,
        ),
      );
    });
    child.once('close', (code) => (code === 0 ? resolve(text) : reject(usage(`pg_restore ${file} ended with exit code ${code}`))));
  });
}

/** What it says goes where messages go: standard output is for results. */
function shell(command: string, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, { shell: true, stdio: ['ignore', 2, 2], env: { ...process.env, DATABASE_URL: url } });
    child.once('error', reject);
    child.once('close', (code, signal) =>
      code === 0
        ? resolve()
        : reject(new Error(`the migrations (${command}) ended with ${signal ?? `exit code ${code}`}; their lines are above`)),
    );
  });
}
