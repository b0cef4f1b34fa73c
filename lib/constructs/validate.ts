/** What can be known to be wrong before anything is deployed. Each sentence names the value and the limit. */
import { Token } from 'aws-cdk-lib/core';
import { slotsPerListener } from '../manifest/priorities';
import type { ApplicationProps, MaintenanceProps, SwitchbackProps, WorkerProps } from './props';

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
  for (const check of props.checks ?? []) {
    if (!applications.some((application) => application.name === check.application)) {
      throw new Error(
        `the check of '${check.path}' is for an application '${check.application}', there is: ${applications.map((a) => a.name).join(', ')}`,
      );
    }
  }
  validateMaintenance(props.maintenance ?? {});
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
}

function unique(names: readonly string[]): void {
  const twice = names.find((it, index) => names.indexOf(it) !== index);
  if (twice !== undefined) throw new Error(`applications and workers have different names, got '${twice}' twice`);
  for (const it of names) {
    if (!name.test(it) || it.length > 40)
      throw new Error(`a name is at most 40 lower-case letters, digits and single hyphens, starting with a letter, got '${it}'`);
  }
}

function validateApplication({ name: application, paths = [], hosts = [], proofPath }: ApplicationProps): void {
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
  if (paths.length > 0 && !paths.some((path) => matches(path, proofPath))) {
    throw new Error(
      `the proofPath '${proofPath}' of application '${application}' is in none of its paths ${paths.join(', ')}: no rule would lead to it`,
    );
  }
}

/** As the load balancer compares: `*` is any text, `?` one character. */
function matches(pattern: string, path: string): boolean {
  const text = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${text}$`, 's').test(path);
}

function validateWorker({ name: worker, once = false, count = 1, scaling, stopTimeout }: WorkerProps): void {
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`worker '${worker}' runs 1 task or more while its color is live, got ${count}`);
  if (once && count !== 1) throw new Error(`worker '${worker}' may run only once, got a count of ${count}`);
  if (once && scaling) throw new Error(`worker '${worker}' may run only once: it cannot have scaling`);
  if (scaling && !(scaling.min >= 0 && scaling.max >= Math.max(1, scaling.min))) {
    throw new Error(`worker '${worker}' scales between ${scaling.min} and ${scaling.max}: max is at least 1 and at least min`);
  }
  if (stopTimeout && stopTimeout.toSeconds() > 120)
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
