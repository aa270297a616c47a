import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { AppClock } from '../common/app-clock.js';
import { Content } from './content.entity.js';
import { Contents } from './contents.js';

/** The decisions of a person. Decided content is not decided again. */
@Injectable()
export class ContentOperator {
  constructor(
    @InjectRepository(Content) private readonly rows: Repository<Content>,
    private readonly contents: Contents,
    private readonly clock: AppClock,
  ) {}

  /** Returns what the command prints. */
  run(command: string, id: string): Promise<string> {
    if (command === 'approve') return this.approve(id);
    if (command === 'block') return this.block(id);
    return this.list();
  }

  /** One line for each file that waits for a person, the oldest first. */
  async list(): Promise<string> {
    const rows = await this.rows.find({ where: { status: 'review' }, order: { createdAt: 'ASC' } });
    const lines = rows.map(
      ({ id, kind, file, createdAt }) =>
        `${id}  ${createdAt.toISOString()}  ${kind}  ${kind}s/${file}`,
    );
    return lines.join('\n') || 'Nothing waits.';
  }

  /** `review` → `ok`. */
  async approve(id: string): Promise<string> {
    const decision = { from: ['review' as const], checkedAt: this.clock.now() };
    return this.answer(await this.contents.decide(id, 'ok', decision), id);
  }

  /** `review` or `ok` → `blocked`. */
  async block(id: string): Promise<string> {
    const decision = { from: ['review' as const, 'ok' as const], checkedAt: this.clock.now() };
    return this.answer(await this.contents.decide(id, 'blocked', decision), id);
  }

  private async answer(isChanged: boolean, id: string): Promise<string> {
    const content = await this.contents.find(id);
    if (!content) return `There is no content ${id}.`;
    return `${id} ${isChanged ? 'is now' : 'is unchanged:'} ${content.status}.`;
  }
}
