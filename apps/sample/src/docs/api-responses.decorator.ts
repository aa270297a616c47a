import { applyDecorators } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiHeader,
  ApiProduces,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import type { WechatError } from 'nestjs-wechat';
import { AppError } from '../common/app-error.js';
import { DOCUMENTED_ERRORS } from './documented-errors.js';
import type { DocumentedError } from './documented-errors.js';

/** A response class with an example of its JSON. */
export type ResponseClass = Type & { readonly example: object };

/** Documents the successful response of a route, in the envelope: `ApiEnvelope(UserView)`, `ApiEnvelope([SessionInfo])` for a list, `null` for no data. */
export function ApiEnvelope(
  response: ResponseClass | [ResponseClass] | null,
  { status = 200 } = {},
): MethodDecorator {
  const model = Array.isArray(response) ? response[0] : response;
  const item = model ? { $ref: getSchemaPath(model) } : { nullable: true };
  const data = Array.isArray(response) ? { type: 'array', items: item } : item;
  const schema = envelopeOf(
    data,
    Array.isArray(response) ? [model?.example] : (model?.example ?? null),
  );
  return applyDecorators(
    ...(model ? [ApiExtraModels(model)] : []),
    ApiResponse({ status, description: 'ok', schema }),
  );
}

/** Documents a successful response with one text as its data. */
export function ApiTextEnvelope(text: {
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

/** Documents a route that sends a stored file of one of these content types: the whole file, a range of it, or a redirect to it. */
export function ApiStoredFile(...contentTypes: string[]): MethodDecorator {
  const schema = { type: 'string', format: 'binary' };
  return applyDecorators(
    ApiHeader({ name: 'Range', required: false, example: 'bytes=0-1023' }),
    ApiProduces(...contentTypes),
    ApiResponse({ status: 200, description: 'the whole file', schema }),
    ApiResponse({ status: 206, description: 'the requested range', schema }),
    ApiResponse({
      status: 302,
      description: 'to the file in the bucket, with STORAGE_REDIRECT=on',
    }),
  );
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

type AnyError = AppError | WechatError;

/** Documents the errors of a route: names of `DOCUMENTED_ERRORS`, or errors of one feature under its own names. */
export function ApiErrors(
  ...documented: (DocumentedError | Record<string, AnyError>)[]
): MethodDecorator {
  const errors = Object.assign(
    {},
    ...documented.map((one) => (typeof one === 'string' ? { [one]: DOCUMENTED_ERRORS[one] } : one)),
  ) as Record<string, AnyError>;
  const statuses = new Set(Object.values(errors).map((error) => responseOf(error).status));
  return applyDecorators(
    ...[...statuses].map((status) => ApiResponse(responseFor(status, errors))),
  );
}

function responseFor(
  status: number,
  errors: Record<string, AnyError>,
): Parameters<typeof ApiResponse>[0] {
  const examples = Object.entries(errors)
    .map(([name, error]) => ({ name, ...responseOf(error) }))
    .filter((response) => response.status === status);
  return {
    status,
    description: examples.map(({ name }) => name).join(', '),
    content: {
      'application/json': {
        examples: Object.fromEntries(examples.map(({ name, body }) => [name, { value: body }])),
      },
    },
  };
}

function responseOf(error: AnyError): { status: number; body: object } {
  if (error instanceof AppError) return { status: error.status, body: error.body };
  return { status: error.getStatus(), body: error.getResponse() };
}
