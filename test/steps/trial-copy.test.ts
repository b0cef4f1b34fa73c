import { switchback } from '../../lib/base/advice';
import { exit } from '../../lib/base/errors';
import { storageFor } from '../../lib/steps/trial-copy';

const gb = 2 ** 30;

test.each([
  ['production has room for two databases', { all: 20 * gb, own: 19 * gb }, 100, undefined],
  ['two databases, what is written anew, and a tenth', { all: 60 * gb, own: 50 * gb }, 100, 177],
  ['no smaller step than RDS takes', { all: 32 * gb, own: 30 * gb }, 100, 110],
])('%s', (_what, bytes, allocated, wanted) => {
  expect(storageFor(bytes, allocated, [])).toBe(wanted);
});

test('what does not fit on an instance is refused with its size, before anything is restored', () => {
  expect(() => storageFor({ all: 30_000 * gb, own: 30_000 * gb }, 40_000, [switchback('stage', '--undo')])).toThrow(
    expect.objectContaining({
      ...{ code: 'trial.storage.too-large', exit: exit.refused, next: [switchback('stage', '--undo')] },
      message:
        'a trial needs 99001 GB on its copy, and RDS gives at most 65536 GB: two databases of 30000 GB each, and as much again for what the migrations write',
    }),
  );
});
