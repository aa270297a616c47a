import { applyDecorators, Controller, UseFilters, UseInterceptors } from '@nestjs/common';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { map } from 'rxjs';
import type { Observable } from 'rxjs';
import { Enveloped } from '../common/envelope.adapter.js';
import { CentralExceptionFilter } from './central.errors.js';

/** The envelope that clients of a central service expect. */
class CentralEnvelope implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<Enveloped> {
    return next
      .handle()
      .pipe(map((data = null) => new Enveloped({ code: 200, msg: 'ok', data, success: true })));
  }
}

/** A controller of the central service, with its own envelope and error codes. */
export const CentralController = (path: string): ClassDecorator =>
  applyDecorators(
    Controller(path),
    UseFilters(CentralExceptionFilter),
    UseInterceptors(CentralEnvelope),
  );
