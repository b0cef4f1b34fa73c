import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Aws } from '../../lib/aws';

const hour = 3_600_000;
const before = { ...process.env };
afterEach(() => {
  process.env = before;
});

test.each([
  ['an answer', 200, '{"Parameter":{"Name":"/a","Value":"{\\"production\\":\\"db\\",\\"opened\\":true}"}}'],
  ['a refusal', 400, '{"__type":"ParameterNotFound","message":"no"}'],
])('%s of AWS tells its time, and the clock of a machine that is an hour off is put right', async (_, status, body) => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', date: new Date(Date.now() + hour).toUTCString() }).end(body);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'AKIASANDBOXSANDBOX00', AWS_SECRET_ACCESS_KEY: 'sandbox' },
  });
  const aws = new Aws();
  expect(Math.abs(aws.clock.now() - Date.now())).toBeLessThan(100);
  await aws.settings.state('video');
  expect(Math.abs(aws.clock.now() - Date.now() - hour)).toBeLessThan(2000);
  await new Promise((closed) => server.close(closed));
});
