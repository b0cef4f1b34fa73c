/** Conditions of listener rules, compiled once into predicates and asked per request. */
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIPv6 } from 'node:net';
import type { RuleCondition } from '@aws-sdk/client-elastic-load-balancing-v2';

/** What a condition can look at. */
export interface RequestFacts {
  readonly method: string;
  /** Host header without its port. */
  readonly host: string;
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: IncomingHttpHeaders;
  /** The peer's address; X-Forwarded-For is not looked at, as on AWS. */
  readonly sourceIp: string;
}

export type Condition = (request: RequestFacts) => boolean;

/** `*` is any number of characters, `?` exactly one; a backslash takes the meaning away. */
export function wildcard(pattern: string, ignoreCase: boolean): RegExp {
  const source = pattern.replace(/\\([*?\\])|[*?]|[.+^${}()|[\]\\/]/g, (found, escaped: string | undefined) => {
    if (escaped !== undefined) return `\\${escaped}`;
    if (found === '*') return '.*';
    return found === '?' ? '.' : `\\${found}`;
  });
  return new RegExp(`^${source}$`, ignoreCase ? 'is' : 's');
}

export function compileCondition(condition: RuleCondition): Condition {
  const plain = condition.Values ?? [];
  switch (condition.Field) {
    case 'host-header':
      return anyOf(condition.HostHeaderConfig?.Values ?? plain, true, (request) => [request.host]);
    case 'path-pattern':
      return anyOf(condition.PathPatternConfig?.Values ?? plain, false, (request) => [request.path]);
    case 'http-header': {
      const name = (condition.HttpHeaderConfig?.HttpHeaderName ?? '').toLowerCase();
      return anyOf(condition.HttpHeaderConfig?.Values ?? plain, true, (request) => {
        const value = request.headers[name];
        return value === undefined ? [] : [value].flat();
      });
    }
    case 'http-request-method': {
      const methods = condition.HttpRequestMethodConfig?.Values ?? plain;
      return (request) => methods.includes(request.method);
    }
    case 'query-string': {
      const wanted = (condition.QueryStringConfig?.Values ?? []).map((pair) => ({
        key: pair.Key === undefined ? undefined : wildcard(pair.Key, true),
        value: wildcard(pair.Value ?? '', true),
      }));
      return (request) =>
        request.query.some(([key, value]) => wanted.some((want) => (want.key?.test(key) ?? true) && want.value.test(value)));
    }
    case 'source-ip':
      return sourceIn(condition.SourceIpConfig?.Values ?? plain);
    default:
      // unreachable through the API, which refuses unknown fields; a rule that cannot be judged must not match.
      return () => false;
  }
}

function anyOf(patterns: readonly string[], ignoreCase: boolean, values: (request: RequestFacts) => string[]): Condition {
  const compiled = patterns.map((pattern) => wildcard(pattern, ignoreCase));
  return (request) => values(request).some((value) => compiled.some((pattern) => pattern.test(value)));
}

function sourceIn(ranges: readonly string[]): Condition {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  }
  return (request) => list.check(request.sourceIp, isIPv6(request.sourceIp) ? 'ipv6' : 'ipv4');
}
