/**
 * What must hold whatever happens on a night, judged without the toolkit: looked at all the time while a window runs, and
 * at its stations. Shares no code with what it judges (packages/rehearsal/test/soak/independent.test.ts).
 */
import { type ColorFacts, type Env, type Facts, type Instance, Observer, type Rule } from './observer';

export type Color = 'blue' | 'green';
/** Who answers a visitor. */
export type Front = Color | 'maintenance' | 'nobody';

/** Where visitors of the example go: everything but the last is behind the maintenance answer. */
const closedPaths = ['/api/charges', '/admin/charges', '/'] as const;
const openPath = '/watch/1';

export interface Seen {
  /** Broken invariants, as sentences with the time of the first look that showed them. */
  readonly problems: readonly string[];
  /** Looks that told everything. */
  readonly looks: number;
  /** The longest time without one. */
  readonly blindSeconds: number;
}

/** Looks again and again until `stop`. */
export class Watch {
  private readonly observer: Observer;
  private readonly problems = new Map<string, string>();
  private looks = 0;
  private toldAt = performance.now();
  private blindMs = 0;
  private stopping = false;
  private readonly ended: Promise<void>;

  constructor(env: Env, system: string, everyMs = 600) {
    this.observer = new Observer(env, system);
    this.ended = this.keepLooking(everyMs);
  }

  /** Looks so far that told everything. */
  get looked(): number {
    return this.looks;
  }

  async stop(): Promise<Seen> {
    this.stopping = true;
    await this.ended;
    await this.observer.close();
    this.told();
    return { problems: [...this.problems.values()], looks: this.looks, blindSeconds: this.blindMs / 1000 };
  }

  private async keepLooking(everyMs: number): Promise<void> {
    while (!this.stopping) {
      const { problems, unseen } = await look(this.observer);
      for (const problem of problems)
        if (!this.problems.has(problem)) this.problems.set(problem, `at ${new Date().toISOString()}: ${problem}`);
      // a server that restarts or a call that a fault strikes: the next look tells.
      if (unseen.length === 0) {
        this.looks += 1;
        this.told();
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  private told(): void {
    const now = performance.now();
    this.blindMs = Math.max(this.blindMs, now - this.toldAt);
    this.toldAt = now;
  }
}

const always = [
  async (observer: Observer, facts: Facts) => frontProblems(whoAnswers(await observer.rules(facts.listener), facts)),
  twoOpen,
  twoOfOnce,
] as const;

/** One look: what is wrong, and what could not be seen. A database that is down hides nothing but itself. */
async function look(observer: Observer): Promise<{ problems: string[]; unseen: Error[] }> {
  const problems: string[] = [];
  const unseen: Error[] = [];
  try {
    const facts = await observer.facts();
    for (const one of always)
      await one(observer, facts).then(
        (found) => problems.push(...found),
        (error: Error) => unseen.push(error),
      );
  } catch (error) {
    unseen.push(error as Error);
  }
  return { problems, unseen };
}

export type Fronts = Readonly<Record<string, Front>>;

/** Who answers each path, by the order of the rules alone: the first that matches. */
export function whoAnswers(rules: readonly Rule[], facts: Pick<Facts, Color>): Fronts {
  const answer = (path: string): Front => {
    const rule = rules.find(({ special, paths }) => !special && (paths === undefined || paths.some((pattern) => matches(pattern, path))));
    if (!rule || rule.priority === Number.POSITIVE_INFINITY) return 'nobody';
    if (rule.group === undefined) return 'maintenance';
    const color = (['blue', 'green'] as const).find((one) => facts[one]?.groups.includes(rule.group ?? ''));
    return color ?? 'nobody';
  };
  return Object.fromEntries([...closedPaths, openPath].map((path) => [path, answer(path)]));
}

export function frontProblems(front: Fronts): string[] {
  const closed = new Set(closedPaths.map((path) => front[path]));
  const problems: string[] = [];
  if (closed.size !== 1 || closed.has('nobody'))
    problems.push(`not exactly one color or maintenance is in front: ${JSON.stringify(front)}`);
  if (front[openPath] !== 'blue' && front[openPath] !== 'green') problems.push(`the open path is answered by ${front[openPath]}`);
  const [one] = closed;
  if (closed.size === 1 && one !== 'maintenance' && one !== front[openPath])
    problems.push(`customers are on ${one}, the open path on ${front[openPath]}`);
  return problems;
}

const matches = (pattern: string, path: string): boolean =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  ).test(path);

/** Users that may change a table of the application now, other than those who administer (on RDS the master user makes the roles). */
const writersSql = `select r.rolname as name from pg_roles r
  where r.rolcanlogin and not r.rolsuper and not r.rolcreaterole and r.rolname !~ '^(rds|pg_)' and not pg_is_in_recovery()
    and exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind in ('r', 'p')
      and has_schema_privilege(r.oid, n.oid, 'USAGE')
      and (has_table_privilege(r.oid, c.oid, 'INSERT') or has_table_privilege(r.oid, c.oid, 'UPDATE') or has_table_privilege(r.oid, c.oid, 'DELETE')))
  order by 1`;

async function writersOn(observer: Observer, facts: Facts, { id, address }: Instance): Promise<string[]> {
  if (!address) return [];
  return (await observer.sql<{ name: string }>(id, address, facts, writersSql)).map(({ name }) => name);
}

/** Production and the fallback; the copy that migrations are tried on has no way in and no way out. */
async function databases(observer: Observer): Promise<Instance[]> {
  return (await observer.instances()).filter(({ id, address }) => address !== undefined && !id.endsWith('-trial'));
}

/**
 * A database is open when a color's user may write to it and works there: its secret names it, or it has a session. (A replica that
 * has just been promoted has the rights it was copied with; nobody knows of it yet.)
 */
async function isOpen(observer: Observer, facts: Facts, instance: Instance): Promise<boolean> {
  const allowed = await writersOn(observer, facts, instance);
  for (const color of colorsOf(facts)) {
    if (!allowed.includes(color.user)) continue;
    const { port } = await observer.secret(color.secret);
    if (port === instance.address?.port) return true;
    const sessions = await observer.sql<{ n: number }>(
      instance.id,
      instance.address!,
      facts,
      `select count(*)::int as n from pg_stat_activity where usename = '${color.user}'`,
    );
    if ((sessions[0]?.n ?? 0) > 0) return true;
  }
  return false;
}

/** Looked at one after the other, so the first is looked at once more: it was open before the second was, and after. */
async function twoOpen(observer: Observer, facts: Facts): Promise<string[]> {
  const all = await databases(observer);
  for (const first of all) {
    if (!(await isOpen(observer, facts, first))) continue;
    for (const second of all) {
      if (second === first || !(await isOpen(observer, facts, second))) continue;
      if (await isOpen(observer, facts, first)) return [`${first.id} and ${second.id} are open to writers at the same time`];
    }
  }
  return [];
}

const alive = new Set(['RUNNING', 'DEACTIVATING', 'STOPPING']);

async function twoOfOnce(observer: Observer, facts: Facts): Promise<string[]> {
  const problems: string[] = [];
  const tasks = (await observer.tasks(facts.cluster)).filter(({ status }) => alive.has(status));
  const once = colorsOf(facts).flatMap(({ workers }) => workers.filter((worker) => worker.once));
  for (const name of new Set(once.map((worker) => worker.name))) {
    const services = once.filter((worker) => worker.name === name).map(({ service }) => service);
    const running = tasks.filter(({ service }) => services.includes(service));
    if (running.length > 1)
      problems.push(`more than one ${name} runs: ${running.map(({ service, id, status }) => `${service} ${id} ${status}`).join(', ')}`);
  }
  return problems;
}

const colorsOf = ({ blue, green }: Facts): ColorFacts[] => [blue, green].filter((color) => color !== undefined);

/** Where a window has come to rest. */
export type Station = 'staged' | 'cut over' | 'rolled back' | 'closed';

export interface Expected {
  readonly station: Station;
  /** Nobody, where undefined: a system whose first opening was taken back. */
  readonly live: Color | undefined;
  /** The release customers are to see. */
  readonly release: string;
  /** The instance that is to be production; undefined where both ways are right. */
  readonly production: string | undefined;
  readonly window: string;
  readonly keptStandby: boolean;
  /** Production was made to give up what it keeps for the fallback. */
  readonly feedGone?: boolean;
}

/** What does not hold at a station, as sentences; looked at until all holds or `patienceMs` are over (tasks come back, DNS is slow). */
export async function problemsAt(env: Env, system: string, expected: Expected, patienceMs = 20_000): Promise<string[]> {
  const observer = new Observer(env, system);
  const deadline = Date.now() + patienceMs;
  try {
    for (;;) {
      const problems = await inspect(observer, expected).catch((error: Error) => [`it could not be looked at: ${error.message}`]);
      if (problems.length === 0 || Date.now() > deadline) return problems.map((problem) => `${expected.station}: ${problem}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  } finally {
    await observer.close();
  }
}

async function inspect(observer: Observer, expected: Expected): Promise<string[]> {
  const facts = await observer.facts();
  const { problems, unseen } = await look(observer);
  if (unseen[0]) throw unseen[0];
  return [
    ...problems,
    ...(await trafficProblems(observer, facts, expected)),
    ...(await fenceProblems(observer, facts, expected)),
    ...(await workerProblems(observer, facts, expected)),
    ...(expected.station === 'closed' ? await leftovers(observer, facts, expected) : await missing(observer, facts, expected)),
  ];
}

/** Customers are on the right color, and its own answers say so. */
async function trafficProblems(observer: Observer, facts: Facts, { live, release }: Expected): Promise<string[]> {
  const problems: string[] = [];
  const wanted = live ?? 'maintenance';
  for (const [path, front] of Object.entries(whoAnswers(await observer.rules(facts.listener), facts))) {
    // the paths that stay open do so from the first deploy on.
    if (!live && path === openPath) continue;
    if (front !== wanted) problems.push(`${path} is answered by ${front}, not ${wanted}`);
  }
  if (!live) return problems;
  const port = await observer.listenerPort(facts.listener);
  for (const { proofPath } of facts[live]?.applications ?? []) {
    const answer = await fetch(`http://localhost:${port}${proofPath}`, { signal: AbortSignal.timeout(5000) });
    await answer.arrayBuffer();
    const said = answer.headers.get('x-release');
    if (answer.status !== 200 || said !== release)
      problems.push(`${proofPath} answers ${answer.status} with release ${said}, not ${release}`);
  }
  return problems;
}

/** Exactly the live color may write to production, if there is one; nobody to any other database. */
async function fenceProblems(observer: Observer, facts: Facts, expected: Expected): Promise<string[]> {
  const problems: string[] = [];
  const color = expected.live && facts[expected.live];
  if (expected.production !== undefined && facts.production !== expected.production)
    problems.push(`production is ${facts.production}, not ${expected.production}`);
  for (const instance of await databases(observer)) {
    const allowed = await writersOn(observer, facts, instance);
    const right = instance.id === facts.production && color ? [color.user] : [];
    if (allowed.join() !== right.join())
      problems.push(`may write to ${instance.id}: ${allowed.join(', ') || 'nobody'}, not ${right.join(', ') || 'nobody'}`);
    if (instance.id !== facts.production || !color) continue;
    const { port } = await observer.secret(color.secret);
    if (port !== instance.address?.port) problems.push(`${expected.live}'s secret does not name ${instance.id}`);
  }
  return problems;
}

/** The live color's workers run, as many as they should; none of the other color's. */
async function workerProblems(observer: Observer, facts: Facts, { live }: Expected): Promise<string[]> {
  const problems: string[] = [];
  const tasks = (await observer.tasks(facts.cluster)).filter(({ status }) => alive.has(status));
  for (const color of ['blue', 'green'] as const) {
    for (const { service: name, count } of facts[color]?.workers ?? []) {
      const wanted = color === live ? count : 0;
      const running = tasks.filter(({ service }) => service === name).length;
      if (running !== wanted) problems.push(`${running} tasks of ${name} run, not ${wanted}`);
    }
  }
  return problems;
}

/** What a rollback needs: both stacks, both databases, the standby's tasks up and connected to what it would go back to. */
async function missing(observer: Observer, facts: Facts, { live, station, feedGone }: Expected): Promise<string[]> {
  const problems: string[] = [];
  const instances = await observer.instances();
  const standby = facts[live === 'blue' ? 'green' : 'blue'];
  const other = instances.find(({ id }) => id !== facts.production && !id.endsWith('-trial'));
  if (!other) return ['the database that is not production is gone'];
  if (other.status !== 'available') problems.push(`${other.id} is ${other.status}`);
  if (!standby) return [...problems, "the standby color's part of the manifest is gone"];
  if (!(await observer.stack(standby.stack))) problems.push(`the stack ${standby.stack} is gone`);
  for (const { service } of standby.applications) {
    const state = await observer.service(facts.cluster, service);
    if (!state || state.running < 1) problems.push(`no task of ${service} runs`);
  }
  if (station === 'cut over') {
    const { port } = await observer.secret(standby.secret);
    if (port !== other.address?.port) problems.push(`the standby's secret does not name ${other.id}, where it would go back to`);
  }
  if (station !== 'rolled back' && !feedGone) problems.push(...(await feedProblems(observer, facts, instances, other)));
  return problems;
}

/** Production keeps what the fallback has not had, and the fallback takes it. */
async function feedProblems(observer: Observer, facts: Facts, instances: readonly Instance[], other: Instance): Promise<string[]> {
  const production = instances.find(({ id }) => id === facts.production);
  if (!production?.address || !other.address) return ['one of the databases has no address'];
  const slots = `select slot_name from pg_replication_slots where slot_type = 'logical' and wal_status <> 'lost'`;
  const kept = await observer.sql(production.id, production.address, facts, slots);
  const taken = await observer.sql(other.id, other.address, facts, 'select subname from pg_subscription where subenabled');
  return [
    ...(kept.length === 1 ? [] : [`${production.id} has ${kept.length} slots that keep something, not 1`]),
    ...(taken.length === 1 ? [] : [`${other.id} has ${taken.length} subscriptions that take something, not 1`]),
  ];
}

/** Of a window that is closed, nothing is left but its journal and a final snapshot. */
async function leftovers(observer: Observer, facts: Facts, { live, window, keptStandby }: Expected): Promise<string[]> {
  const problems: string[] = [];
  if (facts.window !== undefined) problems.push(`the state parameter still names the window ${facts.window}`);
  const standby = facts[live === 'blue' ? 'green' : 'blue'];
  if (!keptStandby && standby && (await observer.stack(standby.stack))) problems.push(`the stack ${standby.stack} is still there`);
  const instances = await observer.instances();
  for (const { id } of instances.filter((one) => one.id.endsWith('-trial'))) problems.push(`${id} is still there`);
  const fallback = `${facts.production.split('-')[0]}-fallback-${window}`;
  if (facts.production !== fallback && instances.some(({ id }) => id === fallback)) problems.push(`${fallback} is still there`);
  for (const schedule of await observer.schedules(facts.scheduleGroup)) problems.push(`the schedule ${schedule} is still there`);
  for (const snapshot of await observer.snapshots())
    if (snapshot.id.includes('trial')) problems.push(`the snapshot ${snapshot.id} is still there`);
  for (const instance of instances.filter(({ address }) => address !== undefined)) {
    const found = await observer.sql<{ what: string }>(
      instance.id,
      instance.address!,
      facts,
      `select 'the slot ' || slot_name as what from pg_replication_slots where slot_type = 'logical'
       union all select 'the subscription ' || subname from pg_subscription
       union all select 'the publication ' || pubname from pg_publication
       union all select 'the trigger ' || tgname || ' on ' || tgrelid::regclass from pg_trigger t join pg_class c on c.oid = t.tgrelid
         join pg_namespace n on n.oid = c.relnamespace where not tgisinternal and n.nspname = 'public'`,
    );
    problems.push(...found.map(({ what }) => `${what} is still there on ${instance.id}`));
  }
  return problems;
}
