/** AWS for a terminal. */
import { type Aws, makeAws } from '../aws';
import type { Output } from '../report';

/** What keeps a command waiting is said where its messages go. */
export function awsFor(output: Output): Aws {
  const aws = makeAws();
  aws.say = (text) => output.note(text);
  return aws;
}
