/**
 * Who is let in. A port on loopback is open to every web page that its owner looks at (a simple cross-origin POST needs nobody's
 * leave, and a name of the page's own may be resolved to 127.0.0.1) and to every user of the machine.
 */
import type { Keys } from './keys';

/** Why a request is not let in. */
export type Refusal =
  /** It was meant for another host, or a web page sends it: a sentence for the log. */
  | { readonly why: 'foreign'; readonly sentence: string }
  /** It is not signed, or not with a key of this sandbox. */
  | { readonly why: 'unsigned' | 'unknown-key' | 'expired-key' };

export interface Knock {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
}

/** Undefined: it is let in. */
export function refusalOf(knock: Knock, port: number, keys: Keys): Refusal | undefined {
  const sentence = foreignTo(port, knock.headers);
  if (sentence !== undefined) return { why: 'foreign', sentence };
  const key = keyOf(knock);
  if (key === undefined) return { why: 'unsigned' };
  const standing = keys.standingOf(key);
  return standing === 'known' ? undefined : { why: standing === 'expired' ? 'expired-key' : 'unknown-key' };
}

/** What is wrong with where the request was sent or what sent it; undefined when nothing is. */
export function foreignTo(port: number, headers: Knock['headers']): string | undefined {
  const { host = '', origin, 'sec-fetch-site': site } = headers;
  if (!isOwn(host, port))
    return `Host ${host || '(none)'} is not this sandbox: it is localhost:${port}, 127.0.0.1:${port} or <bucket>.localhost:${port}`;
  if (origin !== undefined && origin !== `http://${host}`) return `a web page of ${origin} may not send requests here`;
  // an image or a script of a page sends no Origin; a page on another port of this machine is the "same site".
  if (site === 'cross-site' || site === 'same-site') return 'a web page of another origin may not send requests here';
  return undefined;
}

/** Browsers look up `localhost`, and names below it (`bucket.localhost`), on the machine itself and never in the DNS. */
function isOwn(host: string, port: number): boolean {
  const [, name = '', given] = /^(.*?)(?::(\d+))?$/.exec(host.toLowerCase()) ?? [];
  if (Number(given ?? 80) !== port) return false;
  return name === '127.0.0.1' || name === '[::1]' || /^([a-z0-9_.-]+\.)?localhost$/.test(name);
}

/** The id of the key that signed it: in the header of Signature Version 4, or in the query of a link. */
export function keyOf({ headers, query }: Knock): string | undefined {
  const inHeader = /^AWS4-HMAC-SHA256\s.*?\bCredential=([^/,\s]+)/.exec(headers['authorization'] ?? '')?.[1];
  return inHeader ?? query.get('X-Amz-Credential')?.split('/')[0];
}
