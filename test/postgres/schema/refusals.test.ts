import type { Difference } from '../../../lib/postgres/schema/difference';
import { refusalWords, refused, unknownAccepted } from '../../../lib/postgres/schema/refusals';
import { withLosses } from '../../../lib/postgres/verification/migration-losses';

const dropped: Difference = { id: 'public.t.a:dropped', verdict: 'declare', what: 'a is dropped', loses: 'its values' };
const stops: Difference = { id: 'public.p2:partition', verdict: 'lossy', what: 'p2 is new', loses: 'its rows', instead: 'make it before' };
const carried: Difference = { id: 'public.v:view', verdict: 'carried', what: 'v is new' };
const all = [dropped, stops, carried];

test('what would stop the window is refused whoever accepts it', () => {
  expect(refused(all, []).map(({ id }) => id)).toEqual(['public.t.a:dropped', 'public.p2:partition']);
  expect(refused(all, ['public.t.a:dropped', 'public.p2:partition']).map(({ id }) => id)).toEqual(['public.p2:partition']);
});

test('a refusal says how it is accepted, as a shell takes it, or that it is not', () => {
  expect([dropped, stops, { ...dropped, id: "public.f(a 'b'):function" }].map(refusalWords)).toEqual([
    'a is dropped: a rollback would lose its values (--accept-loss public.t.a:dropped)',
    'p2 is new: a rollback would lose its rows (it cannot be accepted, only changed: make it before)',
    "a is dropped: a rollback would lose its values (--accept-loss 'public.f(a '\\''b'\\''):function')",
  ]);
});

test('an accepted id that nothing has is told; a test row has its id later', () => {
  expect(unknownAccepted(all, ['public.t.a:dropped', 'public.t.b:dropped', 'public.v:view', 'public.t:round-trip'])).toEqual([
    'public.t.b:dropped',
    'public.v:view',
  ]);
});

test('what was counted is said, and what cannot be accepted stays so', () => {
  const counted = { ...dropped, what: 'a is dropped, and 3 rows have a value' };
  expect(withLosses([{ ...dropped, instead: 'declare it' }], [counted])).toEqual([{ ...counted, instead: 'declare it' }]);
});
