import fc from 'fast-check';
import {
  compareLsn,
  currentLsn,
  flushWal,
  inRecovery,
  lsnToNumber,
  pollEvery,
  replayedLsn,
  waitForReplay,
} from '../../../lib/postgres/connection/lsn';
import { failure, startServer, stopServers } from '../servers';

afterAll(stopServers);

test('positions compare as numbers, not as texts', () => {
  expect(compareLsn('0/9', '0/10')).toBeLessThan(0);
  expect(compareLsn('1/0', '0/FFFFFFFF')).toBeGreaterThan(0);
  expect(compareLsn('16/B374D848', '16/b374d848')).toBe(0);
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 64n - 1n), (a, b) => {
      const text = (n: bigint) => `${(n >> 32n).toString(16)}/${(n & 0xffffffffn).toString(16)}`;
      expect(Math.sign(compareLsn(text(a), text(b)))).toBe(a < b ? -1 : a > b ? 1 : 0);
    }),
  );
});

test('what is no position is refused with the value', () => {
  expect(() => lsnToNumber('undefined')).toThrow("not a position in the write-ahead log: 'undefined'");
  expect(() => lsnToNumber('0/')).toThrow('not a position');
});

test('a replica that has replayed up to a flushed position has everything committed before it, also what was committed asynchronously', async () => {
  const primary = await startServer({ settings: { synchronous_commit: 'off', wal_writer_delay: '10s' } });
  const replica = await primary.standby();
  const [a, b] = [await primary.master(), await replica.master()];
  expect([await inRecovery(a), await inRecovery(b)]).toEqual([false, true]);
  await a.query('CREATE TABLE t (n int)');
  for (let round = 1; round <= 20; round += 1) {
    await a.query('INSERT INTO t VALUES ($1)', [round]);
    const { lsn } = await flushWal(a);
    expect(compareLsn(lsn, await currentLsn(a))).toBeLessThanOrEqual(0);
    const replayed = await waitForReplay(b, lsn, pollEvery(2, 5_000, 'replay'));
    expect(compareLsn(replayed, lsn)).toBeGreaterThanOrEqual(0);
    expect(await b.query('SELECT count(*)::int AS n FROM t')).toEqual([{ n: round }]);
  }
  expect(await replayedLsn(a)).toBeUndefined();
});

test('a wait that takes too long says for what', async () => {
  const poll = pollEvery(1, 20, 'the replica catching up');
  const forever = async () => {
    for (;;) await poll();
  };
  expect((await failure(forever())).message).toBe('the replica catching up did not happen within 0.02 s');
});
