import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';

/** Swagger UI at /docs, OpenAPI at /docs-json. */
export function serveDocs(app: NestFastifyApplication): void {
  const config = new DocumentBuilder()
    .setTitle('nestjs-wechat reference app')
    .setDescription(
      'Answers come in an envelope: {code, msg, data, success}, and error where success is false. Branch on error, not on msg.',
    )
    .addBearerAuth({
      type: 'http',
      description: 'session_rd of POST /auth/login; X-Session-Rd takes it too',
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
