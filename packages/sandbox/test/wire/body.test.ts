import { crc32, gzipSync } from 'node:zlib';
import { decode } from '../../lib/wire/body';

const checksum = (text: string): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(text));
  return bytes.toString('base64');
};
const chunked = {
  'content-encoding': 'aws-chunked',
  'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'x-amz-trailer': 'x-amz-checksum-crc32',
};
const chunks = (parts: string[], trailer: string) =>
  Buffer.from(`${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n${trailer}\r\n\r\n`);

test('chunks become the body, their trailer a header, and the encoding is gone', () => {
  const { body, headers } = decode(chunks(['hello ', 'world'], `x-amz-checksum-crc32:${checksum('hello world')}`), chunked);
  expect(body.toString()).toBe('hello world');
  expect(headers).toMatchObject({ 'x-amz-checksum-crc32': checksum('hello world'), 'content-length': '11' });
  expect(headers['content-encoding']).toBeUndefined();
});

test('signed chunks are read like unsigned ones', () => {
  const raw = Buffer.from('3;chunk-signature=abc\r\nabc\r\n0;chunk-signature=def\r\n\r\n');
  expect(decode(raw, { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' }).body.toString()).toBe('abc');
});

test('a body that does not match its checksum is refused, as is one that ends too early', () => {
  expect(() => decode(chunks(['hello'], `x-amz-checksum-crc32:${checksum('other')}`), chunked)).toThrow('CRC32');
  expect(() => decode(Buffer.from('5\r\nhello'), chunked)).toThrow('ended before');
});

test('an object that is a gzip file stays one; a compressed request does not', () => {
  const zipped = gzipSync('text');
  const object = decode(zipped, { 'content-encoding': 'gzip', 'content-type': 'text/html' });
  expect(object.body).toEqual(zipped);
  expect(object.headers['content-encoding']).toBe('gzip');
  expect(decode(zipped, { 'content-encoding': 'gzip', 'content-type': 'application/x-amz-json-1.0' }).body.toString()).toBe('text');
});
