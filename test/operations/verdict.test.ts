/** What the proof of a rollback found stays found: typed again, torn down, after a kill, a lost answer, and with two who accept at once. */
import type { Aws } from '../../lib/aws';
import type { EventBody, JournalEvent, Operator } from '../../lib/engine/events';
import type { RunAnswer } from '../../lib/engine/run-options';
import { openFindings, openWords } from '../../lib/engine/verdict';
import { fold, type WindowView } from '../../lib/engine/window-view';
import { acceptDifferences } from '../../lib/operations/accept-difference';
import { closingOf } from '../../lib/operations/closing';
import type { VerbRequest } from '../../lib/operations/request';
import { planTeardown } from '../../lib/plans/teardown';
import type { Db } from '../../lib/postgres/connection/connect';
import { pollEvery } from '../../lib/postgres/connection/lsn';
import { ensureMarker, writeMarker } from '../../lib/postgres/replication/marker';
import { ensureSlot, feedName } from '../../lib/postgres/replication/subscription';
import { compareTables } from '../../lib/postgres/verification/compare';
import { readRecord } from '../../lib/postgres/verification/record';
import { comparisonSnapshotTaken, equalityProven, lossReported, Moment } from '../../lib/steps/equality';
import { untouchedSinceProof } from '../../lib/steps/written-behind';
import { Kill, operator, Rig, window } from '../_helpers/runbook';
import { forks } from '../plans/model';
import { master, type Server, startServer, stopServers } from '../postgres/servers';

const manifest = forks.ahead;
const [production, fallback] = ['video-db', 'video-fallback-w1'];
let servers: Record<string, Server>;
let [old, now]: Db[] = [];
const name = feedName(window.name);

beforeAll(async () => {
  const a = await startServer();
  old = await a.master();
  await old.query(
    `CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text, price numeric(10,2), twice int GENERATED ALWAYS AS (id * 2) STORED);
     CREATE TABLE tags (word text); ALTER TABLE tags REPLICA IDENTITY FULL`,
  );
  const b = await a.standby();
  await b.test.promote();
  servers = { [production]: a, [fallback]: b };
  now = await b.master();
});
afterAll(stopServers);

/** A rollback that stands before its comparison, over rows that are the same. */
class Story {
  readonly rig = new Rig();
  moment = new Moment();
  readonly asked: string[] = [];

  readonly aws = {
    settings: { secret: async () => master },
    journal: () => this.rig.store,
    databases: {
      describe: async (instance: string) => {
        this.asked.push(instance);
        return { address: servers[instance]?.address };
      },
    },
  } as unknown as Aws;

  /** `lost`: what production has got and the feed has not brought. */
  static async begin(lost = 'SELECT 1'): Promise<Story> {
    const story = new Story();
    // a runner that was killed still has its snapshot, as the server sees it.
    for (const db of [old!, now!])
      await db.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid();
         DROP SCHEMA IF EXISTS switchback CASCADE; TRUNCATE orders, tags RESTART IDENTITY;
         INSERT INTO orders (what, price) SELECT 'order ' || i, i FROM generate_series(1, 20) i; INSERT INTO tags VALUES ('a'), ('b')`,
      );
    await old!.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots`);
    await old!.query(`DROP PUBLICATION IF EXISTS ${name}`);
    await ensureMarker(old!);
    await old!.query(`CREATE PUBLICATION ${name} FOR TABLE orders, tags, switchback.marker`);
    await ensureSlot(old!, name, pollEvery(10, 10_000, 'the slot'));
    await old!.query(lost);
    const numbers = [await writeMarker(old!, 'marker', 'x'), await writeMarker(old!, 'marker', 'x')];
    const noted = (step: string, facts: object): EventBody => ({
      ...{ type: 'step.done', step, seconds: 1, acted: true, facts: facts as Record<string, unknown> },
    });
    const journal = story.rig.journal();
    const bodies: EventBody[] = [
      { type: 'window.opened', window, manifest, state: { production, opened: true } },
      { type: 'run.started', verb: 'cutover', plan: [], runner: 'test' },
      ...(['migrations', 'database.open'] as const).map((step): EventBody => ({ type: 'step.started', step })),
      noted('form.before', { record: await readRecord(now!) }),
      noted('form.classified', { differences: [] }),
      { type: 'run.finished', verb: 'cutover', seconds: 1 },
      {
        ...{ type: 'run.started', verb: 'rollback', runner: 'test' },
        plan: [{ id: 'proof.equal', title: 'Compare', estimateSeconds: 1 }],
      },
      noted('feed.drained', { numbers }),
      noted('traffic.proof', {}),
    ];
    for (const body of bodies) await journal.append('run-0', operator, body);
    story.rig.clock.time += 120_000;
    return story;
  }

  steps() {
    return [
      comparisonSnapshotTaken(fallback!, this.moment),
      equalityProven(production!, fallback!, this.moment),
      lossReported(production!, fallback!),
    ];
  }

  /** The rollback typed, as a process of its own. */
  async rollback(run: string, by: Operator = operator): Promise<RunAnswer> {
    const answer = await this.rig.advance(this.steps(), { verb: 'rollback', run, by, aws: this.aws });
    this.moment = new Moment();
    this.rig.clock.time += 120_000;
    return answer;
  }

  async accept(ids: readonly string[], { run = 'accept', by = operator, reason = 'looked at' as string | undefined } = {}): Promise<void> {
    const journal = this.rig.journal();
    await journal.refresh();
    const request: VerbRequest = { system: 'video', verb: 'rollback', run, by, acceptDifferences: ids, ...(reason ? { reason } : {}) };
    await acceptDifferences(request, journal, { clock: this.rig.clock });
  }

  async events(): Promise<JournalEvent[]> {
    return (await this.rig.store.read('w1', 1)).map((text) => JSON.parse(text) as JournalEvent);
  }

  async view(): Promise<WindowView> {
    return fold(await this.events())!;
  }

  async teardown() {
    const view = await this.view();
    return planTeardown({ window, manifest, view, live: 'blue', maintenance: false, production: fallback! });
  }

  /** A number of events of that type. */
  async count(type: EventBody['type']): Promise<number> {
    return (await this.events()).filter((event) => event.type === type).length;
  }
}

const different = {
  ...{ state: 'stopped', code: 'proof.different', exit: 1 },
  next: [
    {
      verb: 'rollback',
      words: ['public.orders:different', 'public.tags:different', 'sequence:public.orders_id_seq']
        .map((id) => `--accept-difference ${id}`)
        .concat('--reason "<why>"'),
    },
    { verb: 'status' },
  ],
};

describe('rows that only the former production has', () => {
  let story: Story;
  let first: Extract<RunAnswer, { state: 'stopped' }>;

  beforeAll(async () => {
    story = await Story.begin(
      "UPDATE orders SET what = 'it''s \\ lost', price = 7.50 WHERE id = 3; DELETE FROM orders WHERE id = 5; INSERT INTO orders (what, price) VALUES (E'new\\nline', NULL), ('unseen', 1); INSERT INTO tags VALUES ('c')",
    );
    first = (await story.rollback('run-1')) as typeof first;
  });

  test('stop the rollback, each with its name, and the SQL that puts them in beside the journal', async () => {
    expect(first).toMatchObject(different);
    expect(first.message).toBe(
      'public.orders differs (21 rows on video-db, 20 on video-fallback-w1): (3) different, (5) only on video-fallback-w1, (21) only on video-db, (22) only on video-db [public.orders:different]; public.tags differs (3 rows on video-db, 2 on video-fallback-w1): row -1823826160083951087 only on video-db [public.tags:different]; the sequence public.orders_id_seq has given out 22 on video-db and is at 20 on video-fallback-w1: it would hand out numbers again [sequence:public.orders_id_seq]; the SQL that puts the rows in is in memory://w1/differences.sql'.replace(
        /row -?\d+/,
        /row -?\d+/.exec(first.message)![0],
      ),
    );
    expect(story.rig.store.objects.get('w1/differences.sql')).toContain('-- public.orders: 4 row(s)');
  });

  test.each(['run-2', 'run-3'])('typed again (%s), it says the same and looks at no database', async (run) => {
    story.asked.length = 0;
    // somebody puts one row in by hand: a new look would find less.
    await now!.query("UPDATE orders SET what = 'mended' WHERE id = 3");
    expect(await story.rollback(run)).toEqual(first);
    expect(story.asked).toEqual([]);
    expect(await story.count('proof.found')).toBe(1);
  });

  test('no teardown deletes their database, on request or by its schedule', async () => {
    await expect(story.teardown()).rejects.toMatchObject({
      ...{ code: 'teardown.unproven', exit: 6 },
      message: expect.stringMatching(
        /^w1 was rolled back to video-fallback-w1, and video-db may hold rows that nobody else has: the two are not equal: public\.orders differs/,
      ),
      state:
        'Nothing was deleted: video-db stays, fenced. Once that is accepted by name, a teardown takes its final snapshot video-w1-final-video-db before anything goes.',
    });
  });

  test('the SQL puts them in, run where the old release writes; the verdict stands all the same', async () => {
    await now!.query(story.rig.store.objects.get('w1/differences.sql')!);
    expect((await compareTables(old!, now!)).equal).toBe(true);
    expect(await story.rollback('run-4')).toEqual(first);
  });

  test('what was not found cannot be accepted, nor anything without a reason', async () => {
    await expect(story.accept(['public.order:different'])).rejects.toMatchObject({
      ...{ code: 'difference.unknown', exit: 2 },
      message: expect.stringMatching(
        /^w1 has no difference public\.order:different: there is public\.orders differs .* \[sequence:public\.orders_id_seq\]$/,
      ),
    });
    await expect(story.accept(['public.orders:different', 'x'])).rejects.toMatchObject({ code: 'difference.unknown' });
    await expect(story.accept(['public.orders:different'], { reason: '' })).rejects.toMatchObject({ code: 'usage', exit: 2 });
    expect(await story.count('difference.accepted')).toBe(0);
  });

  test('of several, each must be accepted', async () => {
    await story.accept(['public.orders:different', 'sequence:public.orders_id_seq']);
    const left = await story.rollback('run-5');
    expect(left).toMatchObject({ code: 'proof.different', message: expect.stringMatching(/^public\.tags differs/) });
  });

  test('two accept at the same moment: the first has done it, and neither answer is lost', async () => {
    let lost = 0;
    story.rig.store.afterCreate = () => {
      lost += 1;
      if (lost === 1) throw new Error('the answer was lost');
    };
    const [ada, ben] = [operator, { who: 'ben', where: 'ben@desk' }];
    await Promise.all([
      story.accept(['public.tags:different'], { run: 'a', by: ada, reason: 'put in by hand' }),
      story.accept(['public.tags:different'], { run: 'b', by: ben, reason: 'me too' }),
    ]);
    story.rig.store.afterCreate = undefined;
    const accepted = (await story.events()).filter(
      (event) => event.type === 'difference.accepted' && event.ids.includes('public.tags:different'),
    );
    expect(accepted).toHaveLength(2);
    const tags = (await story.view()).verdict?.findings.find(({ id }) => id === 'public.tags:different');
    expect(tags?.accepted).toEqual({ by: accepted[0]!.by, at: accepted[0]!.at, reason: (accepted[0] as { reason: string }).reason });
    // what is accepted is not noted again.
    await story.accept(['public.tags:different'], { run: 'c' });
    expect(await story.count('difference.accepted')).toBe(3);
  });

  test('then the rollback goes on to its end, and says what was accepted and lost', async () => {
    expect(await story.rollback('run-6')).toEqual({ state: 'finished' });
    const said = (await story.events()).flatMap((event) => (event.type === 'step.done' && event.detail ? [event.detail] : []));
    expect(said.at(-2)).toMatch(/^accepted by ada: public\.orders differs/);
    expect(said.at(-1)).toBe('2 losses');
    expect(closingOf('rollback', await story.view())).toBeUndefined();
    expect((await story.teardown()).map(({ id }) => id)).toEqual(expect.arrayContaining(['retired.untouched', 'final.snapshot']));
  });

  test('who writes behind the fence after that is found before anything goes', async () => {
    await old!.query("UPDATE orders SET price = 0 WHERE id < 5; INSERT INTO tags VALUES ('behind')");
    const look = () =>
      story.rig.advance([untouchedSinceProof(production!)], { verb: 'teardown', run: `teardown-${story.rig.clock.time}`, aws: story.aws });
    expect(await look()).toMatchObject({
      code: 'proof.written-behind',
      message: expect.stringMatching(/\(public\.orders: 4, public\.tags: 1\)/),
    });
    story.rig.clock.time += 120_000;
    const found = openFindings(await story.view());
    expect(found).toEqual([expect.objectContaining({ id: expect.stringMatching(/^written-behind:\d+$/), is: 'written', rows: 5 })]);
    await expect(story.teardown()).rejects.toMatchObject({ code: 'teardown.unproven' });
    await story.accept([found[0]!.id]);
    story.rig.clock.time += 120_000;
    expect(await look()).toEqual({ state: 'finished' });
    story.rig.clock.time += 120_000;
    // more of it has another name.
    await old!.query("INSERT INTO tags VALUES ('later')");
    expect(await look()).toMatchObject({ code: 'proof.written-behind', message: expect.stringContaining('public.tags: 2') });
  });
});

test('a write behind the fence that changes no value is kept as such, with the rows it touched', async () => {
  const story = await Story.begin();
  await old!.query('UPDATE orders SET what = what WHERE id < 3');
  const first = await story.rollback('run-1');
  expect(first).toMatchObject({
    code: 'proof.written-behind',
    exit: 1,
    message: expect.stringContaining('changed 2 row(s) on video-db behind the fence'),
  });
  // what the slot would no longer show is not forgotten.
  await old!.query('SELECT pg_drop_replication_slot($1)', [name]);
  expect(await story.rollback('run-2')).toEqual(first);
  await expect(story.teardown()).rejects.toMatchObject({ code: 'teardown.unproven' });
});

test('a runner that is killed between comparison and verdict leaves what can be told without its moment, and never "nothing is lost"', async () => {
  const story = await Story.begin("INSERT INTO orders (what) VALUES ('lost')");
  await now!.query("SELECT setval('orders_id_seq', 100)");
  const kill = new Kill();
  story.rig.store.beforeCreate = (_window, _number, event) => (event.includes('"type":"proof.found"') ? kill.here() : undefined);
  expect(await kill.or(story.rollback('run-1'))).toBe('killed');
  story.rig.store.beforeCreate = undefined;
  story.moment = new Moment();
  story.rig.clock.time += 120_000;
  expect(await story.rollback('run-2')).toEqual({ state: 'finished' });
  const words = openWords(await story.view());
  expect(words).toMatch(
    /not proven: rows are gone, .*public\.orders: 1 \(\(21\)\).* \[public\.orders:gone\]; the SQL that puts the rows in is in memory/,
  );
  expect(story.rig.store.objects.get('w1/differences.sql')).toContain('-- INSERT INTO public.orders');
  const said = (await story.events()).findLast((event) => event.type === 'step.done' && event.step === 'loss.manifest');
  expect(said).toMatchObject({ detail: expect.stringMatching(/^not proven that nothing is lost: \d remarks/) });
  expect(closingOf('rollback', await story.view())).toMatchObject({ ok: false, words: expect.stringContaining('not proven') });
  await expect(story.teardown()).rejects.toMatchObject({ code: 'teardown.unproven' });
  await story.accept(['public.orders:gone']);
  expect((await story.teardown()).length).toBeGreaterThan(5);
});

test('a comparison that broke off has lost its moment: the next try does not compare with what customers write now', async () => {
  const story = await Story.begin();
  // the connection that keeps the moment ends with its invocation.
  expect(await story.rig.advance(story.steps().slice(0, 1), { verb: 'rollback', run: 'run-1', aws: story.aws })).toEqual({
    state: 'finished',
  });
  expect(story.moment.snapshot).toBeDefined();
  await now!.query("INSERT INTO tags VALUES ('of the new day')");
  story.rig.clock.time += 120_000;
  expect(await story.rig.advance(story.steps(), { verb: 'rollback', run: 'run-2', aws: story.aws })).toEqual({ state: 'finished' });
  expect(openFindings(await story.view())).toEqual([]);
});

test('a window whose comparison has not come to its end is not torn down either', async () => {
  const story = await Story.begin();
  await expect(story.teardown()).rejects.toMatchObject({
    code: 'teardown.unproven',
    message: expect.stringContaining('has not come to its end'),
  });
});

test('journals of earlier versions keep what they have said', async () => {
  const story = await Story.begin();
  const stop: EventBody = {
    ...{
      type: 'run.stopped',
      verb: 'rollback',
      step: 'proof.equal',
      code: 'proof.different',
      message: 'public.orders differs',
      next: [],
      exit: 1,
    },
  };
  const journal = story.rig.journal();
  await journal.refresh();
  await journal.append('run-0', operator, stop);
  expect(await story.rollback('run-1')).toMatchObject({ code: 'proof.different', message: 'public.orders differs [proof:different]' });
});
