import { CreateUsers1763600000000 } from './1763600000000-create-users.js';
import { OnePerson1763700000000 } from './1763700000000-one-person.js';
import { MissingFiles1763850000000 } from './1763850000000-missing-files.js';
import { PhoneTrust1764000000000 } from './1764000000000-phone-trust.js';
import { CreateOrders1764500000000 } from './1764500000000-create-orders.js';
import { CreateContents1764600000000 } from './1764600000000-create-contents.js';
import { AccountPushes1764700000000 } from './1764700000000-account-pushes.js';
import { ShipOrders1764800000000 } from './1764800000000-ship-orders.js';
import { RecordingsInPages1764850000000 } from './1764850000000-recordings-in-pages.js';
import { IndexesOfJobs1764900000000 } from './1764900000000-indexes-of-jobs.js';
import { FileSweep1764950000000 } from './1764950000000-file-sweep.js';
import { ArrivalOfPushes1764960000000 } from './1764960000000-arrival-of-pushes.js';

/** In the order of their dates. A list, not a glob: the same in TypeScript, in dist/ and under jest. */
export const MIGRATIONS = [
  CreateUsers1763600000000,
  OnePerson1763700000000,
  MissingFiles1763850000000,
  PhoneTrust1764000000000,
  CreateOrders1764500000000,
  CreateContents1764600000000,
  AccountPushes1764700000000,
  ShipOrders1764800000000,
  RecordingsInPages1764850000000,
  IndexesOfJobs1764900000000,
  FileSweep1764950000000,
  ArrivalOfPushes1764960000000,
];
