import { createServer } from 'node:net';
import { PutParameterCommand } from '@aws-sdk/client-ssm';
import { makeClients } from '../../lib/aws/clients';
import { mutate } from '../../lib/aws/outcome';
import { OutcomeUnknown } from '../../lib/base/errors';

test('a wire that swallows everything is a lost answer, and holds nobody for ever', async () => {
  const hole = createServer((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((listening) => hole.listen(0, '127.0.0.1', listening));
  const { port } = hole.address() as { port: number };
  const before = { ...process.env };
  Object.assign(process.env, { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`, AWS_REGION: 'eu-central-1' });
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' });
  const { ssm } = makeClients(undefined, undefined, 50);
  const put = new PutParameterCommand({ Name: '/a', Value: 'x', Type: 'String' });
  await expect(mutate('ssm PutParameter /a', 'aws ssm get-parameter --name /a', () => ssm.send(put))).rejects.toBeInstanceOf(
    OutcomeUnknown,
  );
  process.env = before;
  ssm.destroy();
  hole.close();
});
