import { requirePeers } from '../optional-peers.cjs';

requirePeers('nestjs-wechat/passport', '@nestjs/passport', 'passport', 'passport-custom');
