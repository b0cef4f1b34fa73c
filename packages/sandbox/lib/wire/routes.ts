/** Which operation a REST request means: method, path pattern, literal query, and the members that must be there. */
import type { NormalizedSchema } from '@smithy/core/schema';
import { AwsError } from '../service';
import { type Model, type Operation, requiredMembers } from './model';
import type { WireRequest } from './protocol';

interface Route {
  readonly operation: Operation;
  readonly method: string;
  readonly segments: readonly string[];
  /** Literal parts of the query, without `x-id`. */
  readonly literals: readonly [string, string][];
  readonly requiredQuery: readonly string[];
  readonly requiredHeaders: readonly string[];
  readonly hasBucket: boolean;
}

const tables = new WeakMap<Model, Route[]>();

export function findRoute(model: Model, request: WireRequest): { operation: Operation; labels: Record<string, string> } {
  const { path, bucket } = model.service === 's3' ? withoutBucket(request) : { path: request.path, bucket: undefined };
  let best: { route: Route; labels: Record<string, string>; score: number } | undefined;
  for (const route of routesOf(model)) {
    if (route.method !== request.method) continue;
    if (model.service === 's3' && route.hasBucket !== (bucket !== undefined)) continue;
    const labels = match(route.segments, segmentsOf(path));
    const score = labels ? scoreOf(route, request) : -1;
    if (labels && score >= 0 && score > (best?.score ?? -1)) best = { route, labels, score };
  }
  if (!best) throw new AwsError('UnknownOperationException', `${request.method} ${request.path} is no operation of ${model.service}.`, 404);
  if (bucket !== undefined) best.labels['Bucket'] = bucket;
  return { operation: best.route.operation, labels: best.labels };
}

/** The bucket is the first part of the path, or the first part of the host name (`bucket.localhost`). */
function withoutBucket(request: WireRequest): { path: string; bucket: string | undefined } {
  const host = (request.headers['host'] ?? '').replace(/:\d+$/, '');
  const inHost = /^(.+?)\.(s3\.)?localhost$/.exec(host)?.[1];
  if (inHost && inHost !== 's3') return { path: request.path, bucket: inHost };
  const [, bucket = '', rest = ''] = /^\/([^/]*)(\/.*)?$/.exec(request.path) ?? [];
  return { path: rest || '/', bucket: bucket ? decodeURIComponent(bucket) : undefined };
}

function routesOf(model: Model): Route[] {
  let routes = tables.get(model);
  if (!routes) {
    routes = [...model.operations.values()].flatMap((operation) => (operation.http ? [routeOf(operation, operation.http)] : []));
    tables.set(model, routes);
  }
  return routes;
}

function routeOf(operation: Operation, [method, pattern]: readonly [string, string, number]): Route {
  const [path = '', query = ''] = pattern.split('?');
  const required = requiredMembers(operation.input).map((name) => operation.input.getMemberSchema(name).getMergedTraits() as Bound);
  return {
    operation,
    method,
    segments: segmentsOf(path),
    literals: [...new URLSearchParams(query)].filter(([key]) => key !== 'x-id'),
    requiredQuery: required.flatMap((traits) => traits.httpQuery ?? []),
    requiredHeaders: required.flatMap((traits) => traits.httpHeader?.toLowerCase() ?? []),
    hasBucket: hasMember(operation.input, 'Bucket'),
  };
}

interface Bound {
  httpQuery?: string;
  httpHeader?: string;
}

function hasMember(schema: NormalizedSchema, name: string): boolean {
  return schema.isStructSchema() && name in schema.getMemberSchemas();
}

function segmentsOf(path: string): string[] {
  return path.split('/').slice(1);
}

/** Undefined when the path is another one. A trailing slash makes no difference, except in a greedy label (an S3 key). */
function match(pattern: readonly string[], path: readonly string[]): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    const label = /^\{(.+?)(\+?)\}$/.exec(part);
    if (label?.[2]) {
      const rest = path.slice(index).join('/');
      if (!rest) return undefined;
      labels[label[1]!] = decodeURIComponent(rest);
      return labels;
    }
    const sent = path[index];
    if (label) {
      if (!sent) return undefined;
      labels[label[1]!] = decodeURIComponent(sent);
    } else if (part !== (sent ?? '')) return undefined;
  }
  const more = path.slice(pattern.length);
  return more.every((part) => part === '') ? labels : undefined;
}

/** -1: not this one. More literal and required parts that are there make a better match. */
function scoreOf(route: Route, request: WireRequest): number {
  const id = request.query.get('x-id');
  if (id && id !== route.operation.name) return -1;
  for (const [key, value] of route.literals) {
    if (!request.query.has(key) || (value && request.query.get(key) !== value)) return -1;
  }
  if (!route.requiredQuery.every((key) => request.query.has(key))) return -1;
  if (!route.requiredHeaders.every((key) => key in request.headers)) return -1;
  return (id ? 1000 : 0) + 10 * route.literals.length + route.requiredQuery.length + route.requiredHeaders.length;
}
