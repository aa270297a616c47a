import { ValidationPipe } from '@nestjs/common';
import type { ValidationError } from '@nestjs/common';
import { BadRequestError } from './app-error.js';

/** Checks bodies and queries against their classes. Unknown fields are dropped. The response names fields, never values. */
export const validation = new ValidationPipe({
  transform: true,
  whitelist: true,
  exceptionFactory: (errors) => new BadRequestError(problemsOf(errors).join('; ')),
});

function problemsOf(errors: ValidationError[]): string[] {
  return errors.flatMap(({ constraints = {}, children = [] }) => [
    ...Object.values(constraints),
    ...problemsOf(children),
  ]);
}
