/** Tags of everything the service holds. */
import type * as Sdk from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Elbv2 } from './elbv2';
import { listenerOf, loadBalancerOf, ruleOf, targetGroupOf } from './tables';

export const tagHandlers = (elbv2: Elbv2) => {
  const tagsOf = (arn: string): { tags: Sdk.Tag[]; save: (tags: Sdk.Tag[]) => void } => {
    const kind = arn.split(':')[5]?.split('/')[0];
    switch (kind) {
      case 'listener': {
        const row = listenerOf(elbv2, arn);
        return { tags: row.tags, save: (tags) => void elbv2.listeners.set(arn, { ...row, tags }) };
      }
      case 'listener-rule': {
        const row = ruleOf(elbv2, arn);
        return { tags: row.tags, save: (tags) => void elbv2.rules.set(arn, { ...row, tags }) };
      }
      case 'targetgroup': {
        const row = targetGroupOf(elbv2, arn);
        return { tags: row.tags, save: (tags) => void elbv2.targetGroups.set(arn, { ...row, tags }) };
      }
      default: {
        const row = loadBalancerOf(elbv2, arn);
        return { tags: row.tags, save: (tags) => void elbv2.loadBalancers.set(arn, { ...row, tags }) };
      }
    }
  };
  return {
    AddTags(input: Sdk.AddTagsInput): Sdk.AddTagsOutput {
      const added = input.Tags ?? [];
      for (const arn of input.ResourceArns ?? []) {
        const { tags, save } = tagsOf(arn);
        save([...tags.filter((tag) => !added.some((other) => other.Key === tag.Key)), ...added]);
      }
      return {};
    },
    RemoveTags(input: Sdk.RemoveTagsInput): Sdk.RemoveTagsOutput {
      for (const arn of input.ResourceArns ?? []) {
        const { tags, save } = tagsOf(arn);
        save(tags.filter((tag) => !input.TagKeys?.includes(tag.Key ?? '')));
      }
      return {};
    },
    DescribeTags(input: Sdk.DescribeTagsInput): Sdk.DescribeTagsOutput {
      return { TagDescriptions: (input.ResourceArns ?? []).map((arn) => ({ ResourceArn: arn, Tags: tagsOf(arn).tags })) };
    },
  };
};
