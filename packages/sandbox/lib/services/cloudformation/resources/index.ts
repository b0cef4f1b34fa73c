/** Every resource type that stacks may hold in the sandbox. */
import { isCustom } from '../plan';
import type { ResourceType } from '../type';
import { custom } from './custom';
import { ec2Types } from './ec2';
import { ecsTypes } from './ecs';
import { elbv2Types } from './elbv2';
import { iamTypes } from './iam';
import { lambdaTypes } from './lambda';
import { plainTypes } from './plain';
import { rdsTypes } from './rds';

const types: Readonly<Record<string, ResourceType>> = {
  ...plainTypes,
  ...iamTypes,
  ...ec2Types,
  ...elbv2Types,
  ...rdsTypes,
  ...ecsTypes,
  ...lambdaTypes,
};

export const findType = (name: string): ResourceType | undefined => (isCustom(name) ? custom : types[name]);
