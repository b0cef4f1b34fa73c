import { once } from 'node:events';
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { ask, Bench, connect, fixed, path, to } from './balancer-support';
import { eventually } from './tiny';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start();
});
afterEach(() => bench.stop());

/** A target group behind `/*` with one healthy target. */
async function served(listener: (incoming: IncomingMessage, response: ServerResponse) => void) {
  const group = await bench.group('app');
  const rule = await bench.rule(10, [path('/*')], to(group));
  await bench.landed();
  const target = await bench.target(listener);
  await bench.register(group, target.port);
  await eventually(async () => (await bench.states(group)) === 'healthy');
  return { group, rule, target };
}

test('a request reaches its target whole, with the address of the client', async () => {
  await served((incoming, response) => {
    const pieces: Buffer[] = [];
    incoming.on('data', (piece: Buffer) => pieces.push(piece));
    incoming.on('end', () => {
      response.writeHead(201, 'Made', [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ] as never);
      response.end(
        JSON.stringify({ method: incoming.method, url: incoming.url, headers: incoming.headers, body: Buffer.concat(pieces).length }),
      );
    });
  });
  const answer = await ask(bench.port, '/a/b?c=d', {
    method: 'POST',
    body: 'x'.repeat(300_000),
    headers: { host: 'www.example.org', 'x-forwarded-for': '203.0.113.9' },
  });
  expect(answer.status).toBe(201);
  expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
  expect(JSON.parse(answer.body)).toMatchObject({
    method: 'POST',
    url: '/a/b?c=d',
    body: 300_000,
    headers: {
      host: 'www.example.org',
      'x-forwarded-for': '203.0.113.9, 127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-port': String(bench.port),
    },
  });
});

test('the listener answers on ::1 too, so that localhost works whatever it resolves to', async () => {
  expect((await ask(bench.port, '/', { host: '::1' })).body).toBe('default');
});

test('conditions decide, the lowest priority first, the default last', async () => {
  await bench.rule(30, [path('/app/*')], fixed('path'));
  await bench.rule(20, [path('/app/*'), { Field: 'http-request-method', HttpRequestMethodConfig: { Values: ['PUT'] } }], fixed('method'));
  await bench.rule(5, [{ Field: 'host-header', HostHeaderConfig: { Values: ['*.example.org'] } }], fixed('host'));
  await bench.rule(6, [{ Field: 'http-header', HttpHeaderConfig: { HttpHeaderName: 'X-Key', Values: ['gr??n'] } }], fixed('header'));
  await bench.rule(
    9,
    [{ Field: 'http-header', HttpHeaderConfig: { HttpHeaderName: 'Cookie', Values: ['*pass=green-1*'] } }],
    fixed('cookie'),
  );
  await bench.rule(
    7,
    [{ Field: 'query-string', QueryStringConfig: { Values: [{ Key: 'v', Value: '2*' }, { Value: 'beta' }] } }],
    fixed('query'),
  );
  await bench.rule(8, [{ Field: 'source-ip', SourceIpConfig: { Values: ['10.0.0.0/8'] } }], fixed('far away'));
  await bench.rule(40, [{ Field: 'source-ip', SourceIpConfig: { Values: ['127.0.0.0/8'] } }, path('/near')], fixed('near'));
  const body = async (...given: Parameters<typeof ask> extends [number, ...infer Rest] ? Rest : never) =>
    (await ask(bench.port, ...given)).body;
  await eventually(async () => (await body('/near')) === 'near');
  expect(await body('/app/1')).toBe('path');
  expect(await body('/APP/1')).toBe('default');
  expect(await body('/app/1', { method: 'PUT' })).toBe('method');
  expect(await body('/app/1', { headers: { host: 'WWW.example.org:80' } })).toBe('host');
  expect(await body('/app/1', { headers: { host: 'example.org' } })).toBe('path');
  expect(await body('/app/1', { headers: { 'x-key': 'GREEN' } })).toBe('header');
  expect(await body('/app/1', { headers: { 'x-key': 'greeen' } })).toBe('path');
  expect(await body('/app/1', { headers: { cookie: 'a=b; pass=green-1; c=d' } })).toBe('cookie');
  expect(await body('/app/1', { headers: { cookie: 'pass=green-1' } })).toBe('cookie');
  expect(await body('/app/1', { headers: { cookie: 'a=b; pass=green-2' } })).toBe('path');
  expect(await body('/app/1?a=b&V=2.0')).toBe('query');
  expect(await body('/app/1?any=beta')).toBe('query');
  expect(await body('/app/1?v=1')).toBe('path');
});

test('redirects keep the parts of the address that they name', async () => {
  await bench.rule(1, [path('/old/*')], {
    Type: 'redirect',
    RedirectConfig: { StatusCode: 'HTTP_301', Path: '/new/#{path}', Host: 'www.#{host}' },
  });
  const answer = await eventually(async () => {
    const got = await ask(bench.port, '/old/a?b=c', { headers: { host: 'example.org' } });
    return got.status === 301 && got;
  });
  expect(answer.headers.location).toBe(`http://www.example.org:${bench.port}/new/old/a?b=c`);
});

test('a kept connection follows new rules with its next request, and a request in flight finishes on its target', async () => {
  let release: (() => void) | undefined;
  const { rule } = await served((incoming, response) => {
    if (incoming.url !== '/slow') return void response.end('old');
    response.write('begun ');
    release = () => response.end('and done on the old target');
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const over = (): Promise<string> =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port: bench.port, path: '/', agent }, (answer) => {
        let text = '';
        answer.on('data', (piece: Buffer) => {
          text += piece.toString();
        });
        answer.on('end', () => resolve(text));
      })
        .on('error', reject)
        .end();
    });
  expect(await over()).toBe('old');
  const slow = ask(bench.port, '/slow');
  await eventually(() => release);
  await bench.call('ModifyRule', { RuleArn: rule, Actions: [fixed('new')] });
  await eventually(async () => (await over()) === 'new');
  release!();
  expect((await slow).body).toBe('begun and done on the old target');
  agent.destroy();
});

test('weights share requests exactly, and targets take turns', async () => {
  const [one, two] = [await bench.group('one'), await bench.group('two')];
  await bench.rule(1, [path('/*')], {
    Type: 'forward',
    ForwardConfig: {
      TargetGroups: [
        { TargetGroupArn: one, Weight: 3 },
        { TargetGroupArn: two, Weight: 1 },
      ],
    },
  });
  await bench.landed();
  for (const [group, name] of [
    [one, 'one-a'],
    [one, 'one-b'],
    [two, 'two'],
  ] as const) {
    await bench.register(group, (await bench.target((_incoming, response) => void response.end(name))).port);
  }
  await eventually(async () => `${await bench.states(one)} ${await bench.states(two)}` === 'healthy healthy healthy');
  const answers: string[] = [];
  for (let index = 0; index < 16; index++) answers.push((await ask(bench.port)).body);
  const count = (name: string) => answers.filter((answer) => answer === name).length;
  expect([count('one-a'), count('one-b'), count('two')]).toEqual([6, 6, 4]);
});

test('503 without targets, 502 when the target refuses or breaks off, 504 when it does not answer in time', async () => {
  const { group, target } = await served((incoming, response) => {
    if (incoming.url === '/break') incoming.socket.destroy();
    else if (incoming.url === '/half') {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => incoming.socket.destroy());
    } else if (incoming.url !== '/never') response.end('fine');
  });
  expect(await ask(bench.port, '/break')).toMatchObject({ status: 502, headers: { server: 'awselb/2.0' } });
  await expect(ask(bench.port, '/half')).rejects.toThrow();
  await bench.call('ModifyLoadBalancerAttributes', {
    LoadBalancerArn: bench.loadBalancer,
    Attributes: [{ Key: 'idle_timeout.timeout_seconds', Value: '1' }],
  });
  expect((await ask(bench.port, '/never')).status).toBe(504);
  await target.stop();
  expect((await ask(bench.port)).status).toBe(502);
  await bench.call('DeregisterTargets', { TargetGroupArn: group, Targets: [{ Id: '127.0.0.1', Port: target.port }] });
  expect((await ask(bench.port)).status).toBe(503);
});

test('a target that closes its kept connections never shows to the client', async () => {
  const { target } = await served((_incoming, response) => void response.end('fine'));
  for (let round = 0; round < 30; round++) {
    expect((await ask(bench.port)).status).toBe(200);
    target.server.closeIdleConnections();
    expect((await ask(bench.port, '/', { method: 'POST', body: 'x' })).status).toBe(200);
  }
});

test('a client that goes away takes its request with it', async () => {
  let closed = false;
  let begun = false;
  await served((_incoming, response) => {
    begun = true;
    response.on('close', () => {
      closed = true;
    });
  });
  const { socket } = await connect(bench.port);
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await eventually(() => begun);
  socket.destroy();
  await eventually(() => closed);
});

test('an upgraded connection is joined to its target', async () => {
  const { target } = await served((_incoming, response) => void response.end());
  target.server.on('upgrade', (_incoming, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n');
    socket.pipe(socket);
  });
  const { socket, received } = await connect(bench.port);
  socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n');
  await eventually(() => received().includes('101'));
  socket.write('hello there');
  await eventually(() => received().endsWith('hello there'));
  const closed = once(socket, 'close');
  socket.end();
  await closed;
});

test('nonsense instead of HTTP is answered with 400', async () => {
  const { socket, received } = await connect(bench.port);
  socket.write('nonsense\r\n\r\n');
  await eventually(() => received().startsWith('HTTP/1.1 400'));
  socket.destroy();
});
