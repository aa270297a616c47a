import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { Allow } from 'class-validator';
import type { UnlimitedQrCodeOptions } from 'nestjs-wechat';

/** The fields are not validated here: QrCodeService checks each of them before it calls WeChat, with an own error code for the scene. */
export class QrCodeDto implements Omit<UnlimitedQrCodeOptions, 'appId'> {
  @ApiProperty({
    description: "1 to 32 of the characters 0-9 a-z A-Z !#$&'()*+,/:;=?@-._~",
    example: 'id=42',
  })
  @Allow()
  scene: string;

  @ApiPropertyOptional({
    description: 'A released page. Default: the home page',
    example: 'pages/index/index',
  })
  @Allow()
  page?: string;

  @ApiPropertyOptional({ minimum: 280, maximum: 1280, default: 430 })
  @Allow()
  width?: number;

  @ApiPropertyOptional({
    description: 'Whether WeChat chooses the colour of the lines',
    default: false,
  })
  @Allow()
  autoColor?: boolean;

  @ApiPropertyOptional({
    description: '0 to 255 each; an object, or the same as a JSON string',
    oneOf: [{ type: 'object', additionalProperties: { type: 'string' } }, { type: 'string' }],
    example: { r: '0', g: '0', b: '0' },
  })
  @Allow()
  @Transform(({ value }) => parsedIfText(value))
  lineColor?: { r: number | string; g: number | string; b: number | string };

  @ApiPropertyOptional({
    description: 'Whether the background is transparent. The image is then a PNG',
    default: false,
  })
  @Allow()
  isHyaline?: boolean;

  @ApiPropertyOptional({ description: 'Whether the page must be released', default: true })
  @Allow()
  checkPath?: boolean;

  @ApiPropertyOptional({ enum: ['release', 'trial', 'develop'], default: 'release' })
  @Allow()
  envVersion?: 'release' | 'trial' | 'develop';
}

/** Text that is not JSON stays text, and QrCodeService refuses it. */
function parsedIfText(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
