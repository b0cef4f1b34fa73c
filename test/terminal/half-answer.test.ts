/** What belongs together is given together; refused before anything is asked of AWS. */
import { main } from '../../lib/terminal/commands';

async function typed(...args: string[]): Promise<{ code: number; said: object }> {
  const written: string[] = [];
  const spy = jest.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  const code = await main([...args, '--json'], {} as never).finally(() => spy.mockRestore());
  return { code, said: JSON.parse(written.join('')) as object };
}

test.each([
  [
    ['cutover', '--answer', 'go', '--overrule'],
    "--overrule takes the place of somebody's answer: it needs --answer and --reason",
    'npx switchback cutover --answer go --overrule --reason "<why>"',
  ],
  [
    ['cutover', '--overrule', '--reason', 'CHG-4711'],
    "--overrule takes the place of somebody's answer: it needs --answer and --reason",
    'npx switchback cutover --answer <go or no-go> --overrule --reason "<why>"',
  ],
  [
    ['cutover', '--go-at-gate'],
    '--go-at-gate is for where nobody is there to be asked: it needs --yes',
    'npx switchback cutover --yes --go-at-gate',
  ],
  [
    ['cutover', '--yes', '--go-at-gate', '--answer', 'go'],
    '--answer go answers the question that is open, --go-at-gate one that nobody has asked yet: give one of them',
    'npx switchback status',
  ],
  [
    ['cutover', '--at-decision', 'hold'],
    '--at-decision hold says nothing without --up-by',
    'npx switchback cutover --up-by <hour> --at-decision hold',
  ],
])('%j is refused', async (args, message, next) => {
  expect(await typed(...args)).toEqual({
    code: 2,
    said: { event: 'error', code: 'usage', message, state: 'Nothing was begun.', next: [next], exit: 2 },
  });
});
