import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { Allow } from 'class-validator';
import type { UnlimitedQrCodeOptions } from 'nestjs-wechat';

/** Fields pass as they came: QrCodeService checks each before any call, and has a code of its own for the scene. */
export class QrCodeDto implements Omit<UnlimitedQrCodeOptions, 'appId'> {
  @ApiProperty({
    description: "1 to 32 of the characters 0-9 a-z A-Z !#$&'()*+,/:;=?@-._~",
    example: 'id=42',
  })
  @Allow()
  scene: string;

  @ApiPropertyOptional({
    description: 'A released page; the home page if left out',
    example: 'pages/index/index',
  })
  @Allow()
  page?: string;

  @ApiPropertyOptional({ minimum: 280, maximum: 1280, default: 430 })
  @Allow()
  width?: number;

  @ApiPropertyOptional({ description: 'WeChat picks the colour of the lines', default: false })
  @Allow()
  autoColor?: boolean;

  @ApiPropertyOptional({
    description: '0 to 255 each; also as a JSON string',
    oneOf: [{ type: 'object', additionalProperties: { type: 'string' } }, { type: 'string' }],
    example: { r: '0', g: '0', b: '0' },
  })
  @Allow()
  @Transform(({ value }) => parsedIfText(value))
  lineColor?: { r: number | string; g: number | string; b: number | string };

  @ApiPropertyOptional({ description: 'Transparent background', default: false })
  @Allow()
  isHyaline?: boolean;

  @ApiPropertyOptional({ description: 'false takes a page that is not released', default: true })
  @Allow()
  checkPath?: boolean;

  @ApiPropertyOptional({ enum: ['release', 'trial', 'develop'], default: 'release' })
  @Allow()
  envVersion?: 'release' | 'trial' | 'develop';
}

/** Text that is no JSON stays text, which is no colour. */
function parsedIfText(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
