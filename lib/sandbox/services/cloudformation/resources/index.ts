/** Every resource type that stacks may hold in the sandbox. */
import { isCustom } from '../plan';
import type { ResourceType } from '../type';
import { custom } from './custom';
import { iamTypes } from './iam';
import { plainTypes } from './plain';

const types: Readonly<Record<string, ResourceType>> = {
  ...plainTypes,
  ...iamTypes,
};

export const findType = (name: string): ResourceType | undefined => (isCustom(name) ? custom : types[name]);
