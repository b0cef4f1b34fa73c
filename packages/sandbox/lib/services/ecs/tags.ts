/** Tags of everything the service holds. */
import type * as Sdk from '@aws-sdk/client-ecs';
import { AwsError } from '../../service';
import { type EcsTables, saveService, shortName } from './tables';

export const tagHandlers = (tables: EcsTables) => {
  const tagsOf = (arn: string | undefined): { tags: Sdk.Tag[]; save: (tags: Sdk.Tag[]) => void } => {
    const [kind, ...path] = (arn ?? '').split(':').slice(5).join(':').split('/');
    if (kind === 'cluster') {
      const row = tables.clusters.get(path[0] ?? '');
      if (row) return { tags: row.tags, save: (tags) => void tables.clusters.set(row.name, { ...row, tags }) };
    }
    if (kind === 'service') {
      const row = tables.services.get(path.join('/'));
      if (row) return { tags: row.tags, save: (tags) => void saveService(tables, Object.assign(row, { tags })) };
    }
    if (kind === 'task-definition') {
      const row = tables.taskDefinitions.get(path[0] ?? '');
      if (row) return { tags: row.tags, save: (tags) => void tables.taskDefinitions.set(shortName(row.arn), { ...row, tags }) };
    }
    if (kind === 'task') {
      const row = tables.tasks.get(arn!);
      if (row)
        return {
          tags: row.task.tags ?? [],
          save: (tags) => void tables.tasks.set(row.arn, Object.assign(row, { task: { ...row.task, tags } })),
        };
    }
    throw new AwsError('InvalidParameterException', `The specified resource '${arn}' was not found.`);
  };
  return {
    ListTagsForResource(input: Sdk.ListTagsForResourceRequest): Sdk.ListTagsForResourceResponse {
      return { tags: tagsOf(input.resourceArn).tags };
    },
    TagResource(input: Sdk.TagResourceRequest): Sdk.TagResourceResponse {
      const { tags, save } = tagsOf(input.resourceArn);
      const added = input.tags ?? [];
      save([...tags.filter((tag) => !added.some((other) => other.key === tag.key)), ...added]);
      return {};
    },
    UntagResource(input: Sdk.UntagResourceRequest): Sdk.UntagResourceResponse {
      const { tags, save } = tagsOf(input.resourceArn);
      save(tags.filter((tag) => !input.tagKeys?.includes(tag.key ?? '')));
      return {};
    },
  };
};
