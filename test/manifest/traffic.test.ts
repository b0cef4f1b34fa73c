import fc from 'fast-check';
import { priorityOf, type RuleKind, slotsWithPassage } from '../../lib/manifest/priorities';
import type { Color } from '../../lib/manifest/release';
import { movesTo, rulesOf, whereNow } from '../../lib/manifest/traffic';
import { manifest } from '../_helpers/runbook';

const orderFor = (where: { live: 'blue' | 'green'; maintenance: boolean }) =>
  new Map(rulesOf(manifest).map(({ rule, owner }) => [rule.arn, priorityOf(rule, owner, 1000, where)]));

const all = ['application', 'open', 'key', 'maintenance'] as const;

describe('the order of rules', () => {
  test('tells which color is live and whether maintenance is in front', () => {
    for (const live of ['blue', 'green'] as const) {
      for (const maintenance of [true, false]) expect(whereNow(manifest, orderFor({ live, maintenance }))).toEqual({ live, maintenance });
    }
  });

  test('says nobody knows when some of a color have moved and others have not', () => {
    const order = orderFor({ live: 'blue', maintenance: false });
    order.set('green-site', orderFor({ live: 'green', maintenance: false }).get('green-site') ?? 0);
    expect(whereNow(manifest, order).live).toBeUndefined();
  });

  test('with green alone behind, nobody is live', () => {
    const { blue: _, ...rest } = manifest;
    expect(whereNow({ ...rest, blue: undefined }, orderFor({ live: 'blue', maintenance: true })).live).toBeUndefined();
  });

  test('a switch is one call per listener that moves only to free priorities', () => {
    const places = fc.record({ live: fc.constantFrom('blue' as const, 'green' as const), maintenance: fc.boolean() });
    fc.assert(
      fc.property(places, places, (from, to) => {
        const order = orderFor(from);
        const moves = movesTo(manifest, order, to, all);
        expect(moves.length).toBeLessThanOrEqual(1);
        const taken = new Set(order.values());
        for (const { priorities } of moves) {
          for (const { rule, priority } of priorities) {
            expect(taken.has(priority)).toBe(false);
            order.set(rule, priority);
          }
        }
        expect(whereNow(manifest, order)).toEqual(to);
        expect(movesTo(manifest, order, to, all)).toEqual([]);
        expect(new Set(order.values()).size).toBe(order.size);
      }),
    );
  });

  test('open paths stand before maintenance in front, in either color; routing keys before everything', () => {
    for (const live of ['blue', 'green'] as const) {
      const order = orderFor({ live, maintenance: true });
      const maintenance = order.get('rule-maintenance') ?? 0;
      expect(order.get(`${live}-watch`)).toBeLessThan(maintenance);
      expect(order.get(`${live}-site`)).toBeGreaterThan(maintenance);
      const standby = live === 'blue' ? 'green' : 'blue';
      expect(order.get(`${live}-watch`)).toBeLessThan(order.get(`${standby}-watch`) ?? 0);
      expect(order.get(`${live}-site`)).toBeLessThan(order.get(`${standby}-site`) ?? 0);
    }
  });

  test('the rules of a passage have places of their own: behind the keys, in front of what is open, its addresses in front of its cookie', () => {
    const slots = Array.from({ length: slotsWithPassage }, (_, slot) => slot);
    const places = (kind: RuleKind, owner: Color) =>
      (kind === 'passage' ? [0] : slots).map((slot) => priorityOf({ kind, slot }, owner, 1000, { live: 'green', maintenance: true }));
    const both = (kind: RuleKind) => [...places(kind, 'blue'), ...places(kind, 'green')];
    const [keys, addresses, cookies, open] = [both('key'), both('passage'), both('cookie'), both('open')];
    const all = [...keys, ...addresses, ...cookies, ...open, ...both('application')];
    expect(new Set(all).size).toBe(all.length);
    expect(Math.max(...addresses)).toBeLessThan(Math.min(...cookies));
    expect(Math.max(...cookies)).toBeLessThan(Math.min(...open));
    // whoever asks by key gets that color, whatever cookies the browser has.
    for (const color of ['blue', 'green'] as const) expect(Math.max(...places('key', color))).toBeLessThan(Math.min(...cookies));
  });
});
