import { applyDecorators } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { FAILURES } from './failures.js';
import type { Failure, FailureCode } from './failures.js';

/** A class of answers with the JSON that comes back. */
export type AnswerClass = Type & { readonly example: object };

/** Documents what a route answers, in the envelope: `ApiAnswer(UserView)`, `ApiAnswer([SessionInfo])` for a list, `null` for no data. */
export function ApiAnswer(
  answer: AnswerClass | [AnswerClass] | null,
  { status = 200 } = {},
): MethodDecorator {
  const model = Array.isArray(answer) ? answer[0] : answer;
  const item = model ? { $ref: getSchemaPath(model) } : { nullable: true };
  const data = Array.isArray(answer) ? { type: 'array', items: item } : item;
  const schema = envelopeOf(
    data,
    Array.isArray(answer) ? [model?.example] : (model?.example ?? null),
  );
  return applyDecorators(
    ...(model ? [ApiExtraModels(model)] : []),
    ApiResponse({ status, description: 'ok', schema }),
  );
}

/** Documents an answer whose data is one text. */
export function ApiText(text: {
  description: string;
  example: string;
  nullable?: boolean;
}): MethodDecorator {
  return ApiResponse({
    status: 200,
    description: 'ok',
    schema: envelopeOf({ type: 'string', ...text }, text.example),
  });
}

function envelopeOf(data: object, example: unknown): object {
  return {
    type: 'object',
    required: ['code', 'msg', 'data', 'success'],
    properties: {
      code: { type: 'integer' },
      msg: { type: 'string' },
      data,
      success: { type: 'boolean' },
    },
    example: { code: 200, msg: 'ok', data: example, success: true },
  };
}

/** Documents how a route refuses, each code with the JSON that comes back. */
export function ApiFailures(...codes: FailureCode[]): MethodDecorator {
  const statuses = new Set(codes.map((error) => FAILURES[error].status));
  return applyDecorators(...[...statuses].map((status) => ApiResponse(failuresOf(status, codes))));
}

function failuresOf(status: number, codes: FailureCode[]): Parameters<typeof ApiResponse>[0] {
  const failures = codes.filter((error) => FAILURES[error].status === status);
  const examples = failures.map((error) => {
    const { code, msg, error: named = error, data = null }: Failure = FAILURES[error];
    return [error, { value: { code, msg, data, success: false, error: named } }] as const;
  });
  return {
    status,
    description: failures.join(', '),
    content: { 'application/json': { examples: Object.fromEntries(examples) } },
  };
}
