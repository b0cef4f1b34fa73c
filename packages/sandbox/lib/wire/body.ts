/** The body of a request as the client meant it: whole, unchunked, uncompressed, and proven by its checksum if it has one. */
import type { IncomingMessage } from 'node:http';
import { crc32, gunzipSync } from 'node:zlib';
import { AwsError } from '../service';

/** Larger than any Lambda zip or CDK asset; a runaway client must not take the machine's memory. */
const LIMIT = 512 * 1024 * 1024;

export async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LIMIT) throw new AwsError('EntityTooLarge', `The request body is larger than ${LIMIT} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export interface Decoded {
  readonly body: Buffer;
  /** Headers after the encodings are undone; trailing checksums stand here as if they had been sent in front. */
  readonly headers: Record<string, string>;
}

export function decode(raw: Buffer, sent: Readonly<Record<string, string>>): Decoded {
  const headers = { ...sent };
  let body = raw;
  const encodings = (headers['content-encoding'] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  if (encodings.includes('aws-chunked') || headers['x-amz-content-sha256']?.startsWith('STREAMING-')) {
    const { data, trailers } = unchunk(raw);
    body = data;
    Object.assign(headers, trailers);
    headers['content-length'] = String(body.length);
  }
  const rest = encodings.filter((encoding) => encoding !== 'aws-chunked');
  // Only the JSON and query clients compress on their own (large PutMetricData); an S3 object may well be a gzip file.
  if (rest.includes('gzip') && headers['content-type']?.startsWith('application/x-')) {
    body = gunzipSync(body);
    rest.splice(rest.indexOf('gzip'), 1);
  }
  if (rest.length > 0) headers['content-encoding'] = rest.join(',');
  else delete headers['content-encoding'];
  verify(body, headers);
  return { body, headers };
}

/** `<hex size>[;chunk-signature=…]\r\n<data>\r\n … 0\r\n<trailer>: <value>\r\n\r\n` */
function unchunk(raw: Buffer): { data: Buffer; trailers: Record<string, string> } {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const end = raw.indexOf('\r\n', at);
    const size = end < 0 ? Number.NaN : Number.parseInt(raw.toString('latin1', at, end), 16);
    if (Number.isNaN(size)) throw new AwsError('IncompleteBody', 'The request body ended before its last aws-chunked chunk.');
    at = end + 2;
    if (size === 0) break;
    parts.push(raw.subarray(at, at + size));
    at += size + 2;
  }
  const trailers: Record<string, string> = {};
  for (const line of raw.toString('latin1', at).split('\r\n')) {
    const [name, ...value] = line.split(':');
    if (name && value.length > 0) trailers[name.trim().toLowerCase()] = value.join(':').trim();
  }
  return { data: Buffer.concat(parts), trailers };
}

function verify(body: Buffer, headers: Record<string, string>): void {
  const expected = headers['x-amz-checksum-crc32'];
  if (!expected) return;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  if (bytes.toString('base64') !== expected) {
    throw new AwsError('BadDigest', 'The CRC32 you specified did not match the calculated checksum.');
  }
}
