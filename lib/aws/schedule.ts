/** EventBridge Scheduler in our words: one schedule per system asks the runner to go on with the teardown. */

import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { CreateScheduleCommand, DeleteScheduleCommand, GetScheduleCommand, UpdateScheduleCommand } from '@aws-sdk/client-scheduler';
import type { Clients } from './clients';
import { isAws, mutate } from './outcome';

export interface Schedule {
  readonly group: string;
  readonly name: string;
  readonly role: string;
  /** Name of the function to ask. */
  readonly runner: string;
  readonly input: unknown;
  /** Asked for the first time then, and every five minutes from then on. */
  readonly from: Date;
}

const lookAt = (group: string, name: string): string => `aws scheduler get-schedule --group-name ${group} --name ${name}`;

export class Schedules {
  constructor(private readonly clients: Pick<Clients, 'scheduler' | 'lambda'>) {}

  /** When the schedule starts; undefined when there is none. */
  async startsAt(group: string, name: string): Promise<Date | undefined> {
    try {
      const found = await this.clients.scheduler.send(new GetScheduleCommand({ GroupName: group, Name: name }));
      return found.StartDate;
    } catch (error) {
      if (isAws(error, 'ResourceNotFoundException')) return undefined;
      throw error;
    }
  }

  /** Makes the schedule, or moves the one that is there. */
  async put(schedule: Schedule): Promise<void> {
    const { FunctionArn: arn } = await this.clients.lambda.send(new GetFunctionConfigurationCommand({ FunctionName: schedule.runner }));
    const input = {
      GroupName: schedule.group,
      Name: schedule.name,
      ScheduleExpression: 'rate(5 minutes)',
      StartDate: schedule.from,
      FlexibleTimeWindow: { Mode: 'OFF' as const },
      Target: { Arn: arn, RoleArn: schedule.role, Input: JSON.stringify(schedule.input) },
    };
    const there = (await this.startsAt(schedule.group, schedule.name)) !== undefined;
    await mutate(`scheduler ${there ? 'UpdateSchedule' : 'CreateSchedule'} ${schedule.name}`, lookAt(schedule.group, schedule.name), () =>
      there ? this.clients.scheduler.send(new UpdateScheduleCommand(input)) : this.clients.scheduler.send(new CreateScheduleCommand(input)),
    );
  }

  /** Nothing to do where there is none. */
  async remove(group: string, name: string): Promise<void> {
    try {
      await mutate(`scheduler DeleteSchedule ${name}`, lookAt(group, name), () =>
        this.clients.scheduler.send(new DeleteScheduleCommand({ GroupName: group, Name: name })),
      );
    } catch (error) {
      if (!isAws(error, 'ResourceNotFoundException')) throw error;
    }
  }
}
