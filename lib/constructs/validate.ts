/** What can be known to be wrong before anything is deployed. Each sentence names the value and the limit. */
import { type Duration, Token } from 'aws-cdk-lib/core';
import { slotsPerListener } from '../manifest/priorities';
import { validatePassage } from './passage';
import type { ApplicationProps, CheckProps, MaintenanceProps, MigrationProps, SwitchbackProps, WorkerProps } from './props';
import { covers, takenBy, unreached } from './reach';

/** What a name may be so that every service it becomes part of accepts it (the narrowest are RDS and ECS). */
const name = /^[a-z](?:-?[a-z0-9])*$/;
const contentTypes = ['text/plain', 'text/css', 'text/html', 'application/javascript', 'application/json'];

export function validate(system: string, props: SwitchbackProps): void {
  if (!name.test(system) || system.length > 30) {
    throw new Error(`a system's name is at most 30 lower-case letters, digits and single hyphens, starting with a letter, got '${system}'`);
  }
  const { applications, workers = [] } = props;
  if (applications.length === 0 || applications.length > slotsPerListener) {
    throw new Error(`a system has 1 to ${slotsPerListener} applications, got ${applications.length}`);
  }
  unique([...applications, ...workers].map((service) => service.name));
  for (const application of applications) validateApplication(application);
  for (const worker of workers) validateWorker(worker);
  for (const application of applications) validateReach(application, applications);
  for (const [index, check] of (props.checks ?? []).entries()) validateCheck(check, applications, (props.checks ?? []).slice(0, index));
  for (const [index, text] of (props.landingTests ?? []).entries()) {
    if (text.trim() === '') throw new Error(`landingTests[${index}] is empty: it is a sentence that somebody at the gate can do`);
    if (props.landingTests?.indexOf(text) !== index) throw new Error(`landingTests[${index}] stands there twice: '${text}'`);
  }
  validateCommand('migration.expand', props.migration.expand);
  validateCommand('migration.contract', props.migration.contract);
  validateLosses(props.migration);
  validateTimes(props);
  validateMaintenance(props.maintenance ?? {});
  validatePassage(props.maintenance?.passage, applications);
  if (props.window !== undefined && !(Number.isInteger(props.window) && props.window >= 1)) {
    throw new Error(`a window's number is 1 or higher, got ${props.window}`);
  }
  if (Boolean(props.listener) !== Boolean(props.loadBalancer))
    throw new Error('an adopted listener and its load balancer are given together');
  if (props.listener && props.certificate) throw new Error('an adopted listener brings its own certificate: leave out `certificate`');
  if (props.certificate && !props.domainName) {
    throw new Error('with `certificate` give `domainName` too: calls between applications use the name the certificate is for');
  }
  const first = props.firstPriority ?? 1000;
  if (!Number.isInteger(first) || first < 1 || first > 49_001) throw new Error(`firstPriority is between 1 and 49001, got ${first}`);
  const { database } = props;
  if (Boolean(database?.instance) !== Boolean(database?.masterSecret)) {
    throw new Error('an adopted database instance and its masterSecret are given together');
  }
  if (database?.backupRetention && database.backupRetention.toDays() < 1) {
    throw new Error('backupRetention is at least a day: RDS makes no replica of an instance without backups');
  }
  for (const [color, release] of Object.entries({ blue: props.blue, green: props.green })) {
    if (release && (!release.version || !release.commit))
      throw new Error(`the release of ${color} has a version and a commit, got '${release.version}' and '${release.commit}'`);
  }
  const { blue, green } = props;
  if (blue && green && blue.version === green.version && blue.commit === green.commit)
    throw new Error(`\`blue\` and \`green\` are the same release, ${blue.version} (${blue.commit}): a window changes from one to another`);
}

/** As the trial names them: what it is about, and what becomes of it. */
function validateLosses({ acceptedLosses = [], bridges }: MigrationProps): void {
  for (const [index, id] of acceptedLosses.entries()) {
    if (Token.isUnresolved(id)) continue;
    if (!/^\S(.*\S)?:[^\s:]+$/.test(id))
      throw new Error(`an accepted loss is an id as \`plan\` shows it, like 'public.users.nickname:dropped', got '${id}'`);
    if (acceptedLosses.indexOf(id) !== index) throw new Error(`acceptedLosses has '${id}' twice`);
  }
  for (const [table, what] of Object.entries(bridges?.deleted ?? {})) {
    if (!/^([^."]+|"[^"]+")\.([^."]+|"[^"]+")$/.test(table))
      throw new Error(`\`deleted\` names a table with its schema, like 'public.users', got '${table}'`);
    if (what !== 'keep' && what !== 'ship') throw new Error(`deleted rows of '${table}' are 'keep' or 'ship', got '${what as string}'`);
  }
}

/** A hold of no time has nothing to go back in, and a watch that outlasts it is cut off by the teardown. */
function validateTimes({ hold, watch, database, applications }: SwitchbackProps): void {
  const seconds = (prop: string, value: Duration | undefined, least: number, most: number): number | undefined => {
    if (value === undefined || value.isUnresolved()) return undefined;
    const given = value.toSeconds({ integral: false });
    if (!(given >= least && given <= most)) throw new Error(`\`${prop}\` is between ${least} and ${most} seconds, got ${given}`);
    return given;
  };
  const year = 365 * 86_400;
  const held = seconds('hold', hold, 1, year) ?? 86_400;
  const watched = seconds('watch', watch, 0, year) ?? 3600;
  if (watched > held)
    throw new Error(
      `\`watch\` is longer than \`hold\`: ${watched} s${watch ? '' : ' (its default)'} and ${held} s${hold ? '' : ' (its default)'}`,
    );
  seconds('database.backupRetention', database?.backupRetention, 0, 35 * 86_400);
  for (const { name: application, deregistrationDelay } of applications)
    seconds(`deregistrationDelay\` of application \`${application}`, deregistrationDelay, 0, 3600);
}

function validateCommand(prop: string, command: readonly string[] | undefined): void {
  if (command !== undefined && (command.length === 0 || command.some((word) => word === '')))
    throw new Error(`\`${prop}\` has a word that is empty, or none: got ${JSON.stringify(command)}`);
}

/** What a rule before it takes never comes to an application. */
function validateReach(application: ApplicationProps, all: readonly ApplicationProps[]): void {
  const sorted = (values: readonly string[] = []) => [...values].sort().join();
  const twin = all.find(
    (other) =>
      other !== application && sorted(other.paths) === sorted(application.paths) && sorted(other.hosts) === sorted(application.hosts),
  );
  if (twin)
    throw new Error(
      `applications '${twin.name}' and '${application.name}' have the same \`paths\` and \`hosts\`: the first of them would get every request`,
    );
  const dead = unreached(application, all);
  if (dead)
    throw new Error(
      `the path '${dead.path}' of application '${application.name}' is never reached: '${dead.by}' stands before it and takes it; put '${dead.by}' behind '${application.name}' in \`applications\``,
    );
  const taker = takenBy(application, application.proofPath, all);
  if (taker)
    throw new Error(
      `the proofPath '${application.proofPath}' of application '${application.name}' is answered by '${taker}': give one that only '${application.name}' answers`,
    );
}

function validateCheck(check: CheckProps, applications: readonly ApplicationProps[], before: readonly CheckProps[]): void {
  const { path, status = 200, contains } = check;
  const application = applications.find((each) => each.name === check.application);
  if (!application)
    throw new Error(
      `the check of '${path}' is for an application '${check.application}', there is: ${applications.map((a) => a.name).join(', ')}`,
    );
  if (!path.startsWith('/'))
    throw new Error(`the \`path\` of a check starts with '/', got '${path}' for application '${application.name}'`);
  const taker = takenBy(application, path, applications);
  if (taker)
    throw new Error(
      `the check of '${path}' is for application '${application.name}', and ${taker === 'none' ? 'no rule leads there' : `'${taker}' answers there`}`,
    );
  if (!Number.isInteger(status) || status < 100 || status > 599)
    throw new Error(`the \`status\` of the check of '${path}' is 100 to 599, got ${status}`);
  if (contains === '') throw new Error(`\`contains\` of the check of '${path}' is empty: leave it out`);
  const twice = before.some((each) => JSON.stringify(each) === JSON.stringify(check));
  if (twice) throw new Error(`the check of '${path}' at application '${application.name}' stands there twice`);
}

function unique(names: readonly string[]): void {
  const twice = names.find((it, index) => names.indexOf(it) !== index);
  if (twice !== undefined) throw new Error(`applications and workers have different names, got '${twice}' twice`);
  for (const it of names) {
    if (!name.test(it) || it.length > 40)
      throw new Error(`a name is at most 40 lower-case letters, digits and single hyphens, starting with a letter, got '${it}'`);
  }
}

function validateApplication({ name: application, paths = [], hosts = [], proofPath, ...more }: ApplicationProps): void {
  const { desiredCount = 2, port = 8080, command } = more;
  if (!Number.isInteger(desiredCount) || desiredCount < 1)
    throw new Error(`the \`desiredCount\` of application '${application}' is 1 or more, got ${desiredCount}: with no task nobody answers`);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`the \`port\` of application '${application}' is 1 to 65535, got ${port}`);
  validateCommand(`command\` of application \`${application}`, command);
  const empty = [...paths, ...hosts].find((value) => value.trim() === '');
  if (empty !== undefined) throw new Error(`a path or host of application '${application}' is empty`);
  const values = [...paths, ...hosts];
  if (values.length === 0)
    throw new Error(`application '${application}' has no conditions: give \`paths\`, for example ['/*'], or \`hosts\``);
  // five per rule, one of which is the routing key's.
  if (values.length > 4)
    throw new Error(`application '${application}' has ${values.length} paths and hosts, a rule takes 4 beside the routing key`);
  const wildcards = values.join('').replace(/[^*?]/g, '').length;
  if (wildcards > 5) throw new Error(`application '${application}' has ${wildcards} wildcards in its conditions, a rule takes 5`);
  const wrong = [...paths, proofPath].find((path) => !path.startsWith('/') && !path.startsWith('*'));
  if (wrong !== undefined) throw new Error(`a path starts with '/', got '${wrong}' for application '${application}'`);
  if (paths.length > 0 && !paths.some((path) => covers(path, proofPath.split('?')[0] ?? ''))) {
    throw new Error(
      `the proofPath '${proofPath}' of application '${application}' is in none of its paths ${paths.join(', ')}: no rule would lead to it`,
    );
  }
}

function validateWorker({ name: worker, once = false, count = 1, scaling, stopTimeout, command }: WorkerProps): void {
  validateCommand(`command\` of worker \`${worker}`, command);
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`worker '${worker}' runs 1 task or more while its color is live, got ${count}`);
  if (once && count !== 1) throw new Error(`worker '${worker}' may run only once, got a count of ${count}`);
  if (once && scaling) throw new Error(`worker '${worker}' may run only once: it cannot have scaling`);
  if (
    scaling &&
    !(Number.isInteger(scaling.min) && Number.isInteger(scaling.max) && scaling.min >= 0 && scaling.max >= Math.max(1, scaling.min))
  ) {
    throw new Error(`worker '${worker}' scales between ${scaling.min} and ${scaling.max}: max is at least 1 and at least min`);
  }
  if (stopTimeout && !(stopTimeout.toSeconds() >= 0 && stopTimeout.toSeconds() <= 120))
    throw new Error(`Fargate waits at most 120 seconds for a task to stop, got ${stopTimeout.toSeconds()} for worker '${worker}'`);
}

function validateMaintenance({ body = '', contentType = 'text/plain', status = 503 }: MaintenanceProps): void {
  if (!Token.isUnresolved(body) && body.length > 1024) {
    throw new Error(
      `the maintenance body has ${body.length} characters, the load balancer answers with 1,024 at most: shorten it, or link to a page elsewhere`,
    );
  }
  if (!contentTypes.includes(contentType))
    throw new Error(`the maintenance contentType is one of ${contentTypes.join(', ')}, got '${contentType}'`);
  if (!(status >= 200 && status < 300) && !(status >= 400 && status < 600))
    throw new Error(`the maintenance status is 2xx, 4xx or 5xx, got ${status}`);
}
