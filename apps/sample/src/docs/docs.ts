import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';

/** Swagger UI at /docs, OpenAPI at /docs-json. */
export function serveDocs(app: NestFastifyApplication): void {
  const config = new DocumentBuilder()
    .setTitle('nestjs-wechat reference app')
    .setDescription(
      'Responses are in an envelope: {code, msg, data, success}. If success is false, it also has error. Branch on error, not on msg.',
    )
    .addBearerAuth({
      type: 'http',
      description: 'session_rd of POST /auth/login. It may also be in the header X-Session-Rd',
    })
    .addBearerAuth(
      {
        type: 'http',
        bearerFormat: 'JWT',
        description: 'token of POST /auth/phone-login or /auth/register',
      },
      'app-jwt',
    )
    .build();
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, config), {
    jsonDocumentUrl: 'docs-json',
    raw: ['json'],
  });
}
