import { ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';
import type { FindOptionsWhere, Repository } from 'typeorm';
import { BadRequestError } from './app-error.js';

const LIMIT = 'limit must be a whole number from 1 to 100';
const BEFORE = 'before must be the id of an item that is in this list';

/** The query of a list. */
export class PageDto {
  @ApiPropertyOptional({ minimum: 1, maximum: 100, type: 'integer' })
  @IsOptional()
  @Type(() => Number)
  @IsInt({ message: LIMIT })
  @Min(1, { message: LIMIT })
  @Max(100, { message: LIMIT })
  limit?: number;

  @ApiPropertyOptional({ format: 'uuid', description: 'An item; the list begins after it' })
  @IsOptional()
  @IsUUID(undefined, { message: BEFORE })
  before?: string;
}

/** A row of a user. Its table has an index on user_id, created_at and id. */
interface OwnedRow {
  id: string;
  userId: string | null;
  createdAt: Date;
}

/**
 * Returns a page of a user's rows, the newest first. A row that is added later does not move the pages after the first.
 *
 * @param defaultLimit rows without `limit`
 * @throws BadRequestError if `before` is not a row of the user
 */
export async function pageOf<Row extends OwnedRow>(
  rows: Repository<Row>,
  userId: string,
  { limit, before }: PageDto,
  defaultLimit: number,
): Promise<Row[]> {
  const page = rows
    .createQueryBuilder('item')
    .where('item.user_id = :userId', { userId })
    .orderBy({ 'item.createdAt': 'DESC', 'item.id': 'DESC' })
    .limit(limit ?? defaultLimit);
  if (before === undefined) return page.getMany();
  // A comparison in SQL, because a Date has no microseconds.
  const position = `SELECT created_at, id FROM ${rows.metadata.tableName} WHERE id = :before AND user_id = :userId`;
  const found = await page
    .andWhere(`(item.created_at, item.id) < (${position})`, { before })
    .getMany();
  const isEnd = (): Promise<boolean> =>
    rows.existsBy({ id: before, userId } as FindOptionsWhere<Row>);
  if (found.length === 0 && !(await isEnd())) throw new BadRequestError(BEFORE);
  return found;
}
