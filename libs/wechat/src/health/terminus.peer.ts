import { requirePeers } from '../optional-peers.cjs';

requirePeers('nestjs-wechat/health', '@nestjs/terminus');
