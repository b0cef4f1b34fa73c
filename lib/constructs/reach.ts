/**
 * Which application a request comes to: rules are asked in their order, and the first that matches has it. What customers are asked by is
 * two orders: open paths stand before the others, and by routing key applications stand as they are listed.
 */
import type { ApplicationProps } from './props';

type Conditions = Pick<ApplicationProps, 'name' | 'paths' | 'hosts' | 'open'>;

/** As the load balancer compares: `*` is any text, `?` one character. Of two patterns, whether the first takes all that the second takes. */
export function covers(pattern: string, other: string): boolean {
  const from = (i: number, j: number): boolean => {
    const [mine, its] = [pattern[i], other[j]];
    if (mine === undefined) return its === undefined;
    if (mine === '*') return from(i + 1, j) || (its !== undefined && from(i, j + 1));
    if (its === undefined || its === '*') return false;
    return (mine === '?' || mine === its) && from(i + 1, j + 1);
  };
  return from(0, 0);
}

/** No condition takes everything. Hosts know no case. */
const takesPath = ({ paths = [] }: Conditions, path: string): boolean => paths.length === 0 || paths.some((each) => covers(each, path));
const takesHost = ({ hosts = [] }: Conditions, host: string): boolean =>
  hosts.length === 0 || hosts.some((each) => covers(each.toLowerCase(), host.toLowerCase()));
const takesHostsOf = (application: Conditions, { hosts = [] }: Conditions): boolean =>
  hosts.length === 0 ? (application.hosts ?? []).length === 0 : hosts.every((host) => takesHost(application, host));

const orders = (all: readonly Conditions[]): readonly (readonly Conditions[])[] => [
  [...all.filter(({ open }) => open), ...all.filter(({ open }) => !open)],
  all,
];

/** Paths of an application (`*` where it has only hosts) that one before it takes whole. */
export function unreached(application: Conditions, all: readonly Conditions[]): { readonly path: string; readonly by: string } | undefined {
  for (const order of orders(all))
    for (const before of order.slice(0, order.indexOf(application))) {
      if (!takesHostsOf(before, application)) continue;
      const paths = application.paths ?? [];
      const path = (paths.length === 0 ? ['*'] : paths).find((each) => takesPath(before, each));
      if (path !== undefined) return { path, by: before.name };
    }
  return undefined;
}

/** The application that answers where another one's path is asked for at its own host; undefined where it is its own. */
export function takenBy(application: Conditions, path: string, all: readonly Conditions[]): string | undefined {
  const [host] = application.hosts ?? [];
  // the query is no part of what a rule compares.
  const [asked = ''] = path.split('?');
  for (const order of orders(all)) {
    const first = order.find(
      (each) => takesPath(each, asked) && (host === undefined ? (each.hosts ?? []).length === 0 : takesHost(each, host)),
    );
    if (first !== application) return first?.name ?? 'none';
  }
  return undefined;
}
