/** Cases of a kind, each through a window of its own on a forked pair: the answers are written by hand, the proof shares nothing with the bridge. */
import { type Case, wrongAnswers } from '../../../../lib/operations/try/case';
import { tryCases } from '../../../_helpers/tried-cases';

export type CaseInput = Pick<Case, 'name' | 'old' | 'change'> & Partial<Omit<Case, 'must' | 'id'>> & { readonly refused?: string };

/** A test per case. `refused`: what the trial must say of it, word for word or in part; otherwise it must come back lossless, with its answers. */
export function testWindows(inputs: readonly CaseInput[]): void {
  const { cases, tried } = tryCases(JSON.stringify(inputs.map((input, index) => ({ id: `k${index}`, ...input }))), { limitMs: 300_000 });

  test.each(cases.map((one) => [one.name, one] as const))('%s', (_, one) => {
    const { outcome, at, differences, asked, askedOfProduction } = tried.get(one.id)!;
    const { refused } = inputs[Number(one.id.slice(1))]!;
    const wanted = refused === undefined ? 'lossless at rollback' : 'refused at trial';
    expect({ came: `${outcome} at ${at}`, differences }).toEqual({ came: wanted, differences });
    if (refused === undefined) expect(wrongAnswers(one, asked, askedOfProduction)).toEqual([]);
    else expect(differences.join('\n')).toContain(refused);
  });
}
