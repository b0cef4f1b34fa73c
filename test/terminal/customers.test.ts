/** Nothing waits for a look at what customers see, and nothing fails by it. */
import type { Aws } from '../../lib/aws';
import type { CustomersSeen } from '../../lib/operations/customers-look';
import { followCustomers } from '../../lib/terminal/customers';
import { manifest, TestClock } from '../_helpers/runbook';

/** A load balancer whose answers wait until they are let go. */
function balancer(answer: () => Promise<Map<string, number>>) {
  let looks = 0;
  let addresses = 0;
  const aws = {
    settings: { manifest: async () => ({ manifest, state: undefined }) },
    traffic: {
      order: () => {
        looks += 1;
        return answer();
      },
      frontDoors: async () => {
        addresses += 1;
        return [];
      },
    },
    emergency: { read: async () => undefined },
  } as unknown as Pick<Aws, 'settings' | 'traffic' | 'emergency'>;
  return { aws, looks: () => looks, addresses: () => addresses };
}
const settled = async () => {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
};

test('it looks at once, every few seconds, and once more for the last word', async () => {
  const clock = new TestClock();
  const seen: CustomersSeen[] = [];
  const { aws, looks, addresses } = balancer(async () => new Map());
  const customers = followCustomers(aws, 'video', clock, { saw: (one) => void seen.push(one.seen) });
  await settled();
  expect(seen).toHaveLength(1);
  await clock.pause(5000);
  await settled();
  expect(seen).toHaveLength(2);
  await customers.now();
  await settled();
  expect(seen).toHaveLength(3);
  // where the load balancer is found is asked once.
  expect({ looks: looks(), addresses: addresses() }).toEqual({ looks: 3, addresses: 1 });
  customers.end();
  await clock.pause(60_000);
  await settled();
  expect(seen).toHaveLength(3);
});

test('a load balancer that does not answer is not asked twice at once, and holds no last word back', async () => {
  const clock = new TestClock();
  const { aws, looks } = balancer(() => new Promise(() => undefined));
  const customers = followCustomers(aws, 'video', clock, { saw: () => fail('nothing was seen') });
  await settled();
  await clock.pause(60_000);
  await customers.now();
  expect(looks()).toBe(1);
  customers.end();
});

test('AWS that refuses is no trouble of the run', async () => {
  const clock = new TestClock();
  const { aws } = balancer(async () => Promise.reject(new Error('denied')));
  const saw = jest.fn();
  const customers = followCustomers(aws, 'video', clock, { saw });
  await customers.now();
  expect(saw).not.toHaveBeenCalled();
  customers.end();
});
