import { deploy, say, switchback } from '../../lib/base/advice';
import { feedSource } from '../../lib/steps/fork-options';

test('a window that was opened without a feed is not told to deploy what its guard refuses', async () => {
  const context = { window: { system: 'shop', name: 'w1' }, manifest: { shared: { system: 'shop', database: {} } } };
  await expect(feedSource(context as never, 'shop-database')).rejects.toMatchObject({
    code: 'feed.no-secret',
    message: 'shop was deployed without a feed when w1 was opened',
    next: [
      switchback('stage', '--undo'),
      say`then, with no feed: false and window: 2 in your CDK app: ${deploy('shared', 'fallback-w2')}`,
      switchback('stage'),
    ],
  });
});
