/**
 * The passage: an address that gives a browser the cookie by which rules lead it to one color, past maintenance. One address and one
 * cookie for each color, so no rule has to change when the colors change places. Nothing of it is in the manifest's rules: it never moves.
 */
import { slotsWithPassage } from '../manifest/priorities';
import type { Color } from '../manifest/release';
import type { RuleDefinition } from './properties';
import type { ApplicationProps } from './props';

const cookieName = 'switchback-passage';
const daySeconds = 86_400;

/** What a load balancer takes unless its quota is raised. */
const rulesPerBalancer = 100;

export const passagePath = (word: string, color: Color): string => `/${word}/${color}`;

/** In front of the cookie's rules, or a browser with the other color's cookie could not change over. */
export const passageRule = (word: string, color: Color): RuleDefinition => ({
  Application: color,
  Kind: 'passage',
  Slot: 0,
  Paths: [passagePath(word, color)],
  Hosts: [],
  Response: { Status: '200', ContentType: 'text/html', Body: passagePage(word, color) },
});

/** What a request with the cookie has in its header; other cookies may stand on both sides. */
export const cookieHeader = (word: string, color: Color): { Name: string; Value: string } => ({
  Name: 'Cookie',
  Value: `*${cookieOf(word, color)}*`,
});

/** The word is in it: who only knows the colors has no passage. */
const cookieOf = (word: string, color: Color): string => `${cookieName}=${color}-${word}`;

/**
 * Sets the cookie by script, because a fixed answer has no headers of its own, and says what the browser made of it. `Secure` only
 * where the page came by HTTPS: elsewhere a browser drops such a cookie without a word.
 */
function passagePage(word: string, color: Color): string {
  return `<!doctype html><meta charset=utf-8><meta name=referrer content=no-referrer><title>${color}</title>
<p id=t>This page sets a cookie and needs JavaScript.<p><a href="?end">end it</a>
<script>
var end=location.search=='?end',c=document,cookie='${cookieOf(word, color)}'
c.cookie=cookie+'; path=/; SameSite=Lax; max-age='+(end?0:${daySeconds})+(location.protocol=='https:'?'; Secure':'')
c.getElementById('t').textContent=c.cookie.includes(end?'${cookieName}=':cookie)==end?'Nothing has changed: the browser refused the cookie.':end?'This browser sees what customers see.':'This browser sees ${color} at '+location.host+' for a day, also in maintenance.'
</script>`;
}

/** Beside the word itself, what the passage costs: rules on the load balancer, and two wildcards and a value of each rule. */
export function validatePassage(word: string | undefined, applications: readonly ApplicationProps[]): void {
  if (word === undefined) return;
  if (!/^[a-z0-9-]{20,64}$/.test(word))
    throw new Error(
      `\`maintenance.passage\` has 20 to 64 lower-case letters, digits and hyphens, because who guesses it gets past maintenance; got '${word}'`,
    );
  if (applications.length > slotsWithPassage)
    throw new Error(`with \`maintenance.passage\` a system has at most ${slotsWithPassage} applications, got ${applications.length}`);
  const colors = 2;
  const rules = applications.reduce((sum, { open }) => sum + colors * 3 + (open ? 0 : 1), colors);
  if (rules > rulesPerBalancer)
    throw new Error(
      `with \`maintenance.passage\` two colors have ${rules} rules, and a load balancer takes ${rulesPerBalancer}: the passage costs ${colors * (applications.length + 1)} of them`,
    );
  for (const { name, paths = [], hosts = [] } of applications) {
    const wildcards = [...paths, ...hosts].join('').replace(/[^*?]/g, '').length;
    if (wildcards > 3)
      throw new Error(
        `application '${name}' has ${wildcards} wildcards in its conditions: with \`maintenance.passage\` it has 3 at most, because a rule takes 5 and the cookie's needs 2`,
      );
  }
}
