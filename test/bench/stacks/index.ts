import { EXPRESS_SESSION } from './express-session.js';
import { FLOORS } from './floor.js';
import { JWTS } from './jwt.js';
import { OURS } from './ours.js';
import { PAY } from './pay.js';
import type { Stack } from './stack.js';

export type StackName =
  | keyof typeof OURS
  | keyof typeof PAY
  | keyof typeof FLOORS
  | keyof typeof JWTS
  | keyof typeof EXPRESS_SESSION;

export const STACKS: Record<StackName, Stack> = {
  ...OURS,
  ...PAY,
  ...FLOORS,
  ...JWTS,
  ...EXPRESS_SESSION,
};
