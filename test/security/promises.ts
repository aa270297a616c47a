/** A test: the file, and how its title begins. */
export type Proof = readonly [file: string, title: string];

/** Which tests prove each promise of SECURITY.md. promises.spec.ts fails where one of them is not there any more. */
export const PROMISES: Readonly<Record<string, readonly Proof[]>> = {
  P1: [
    ['test/security/token.spec.ts', 'P1 never repeats in'],
    ['test/security/token.spec.ts', 'P1 is made of nothing but chance'],
  ],
  P2: [
    ['test/security/sessions.spec.ts', 'P2 takes no token from the client'],
    ['test/security/bad-input.spec.ts', 'P16 as a session_rd is refused from its text alone'],
  ],
  P3: [['test/security/sessions.spec.ts', 'P3 ends the session that was presented, and mints another']],
  P4: [
    ['test/faults/session-redis.spec.ts', 'S1 a logout holds against 20 guarded requests and a refresh'],
    ['test/faults/session-scheduler.spec.ts', 'S1 nobody enters after a logout was answered, whatever raced with it'],
    ['test/faults/session-model.spec.ts', 'P4 are as the contract says'],
  ],
  P5: [
    ['test/store.redis.spec.ts', 'tells the time of Redis'],
    ['test/library/session.e2e-spec.ts', 'does not outlive the login, refreshed or not'],
    ['test/faults/session-model.spec.ts', 'P4 are as the contract says'],
  ],
  P6: [['test/security/canaries.spec.ts', 'P6 are not in Redis']],
  P7: [
    ['test/security/sealed-records.spec.ts', 'P7 gets nowhere with the %s of one put where the %s of another lies'],
    ['test/security/sealed-records.spec.ts', 'P7 gets nowhere with records of his own making'],
    ['test/security/sealed-records.spec.ts', 'P7 can bring back what was there before'],
  ],
  P8: [
    ['test/security/sealed-records.spec.ts', 'S5 logged in under %s, seen under %s'],
    ['test/security/sealed-records.spec.ts', 'P8 go round without a logout'],
  ],
  P9: [['test/security/canaries.spec.ts', 'P9 P10 are in no answer but the one that they belong in']],
  P10: [
    ['test/security/canaries.spec.ts', 'P10 are in no line of the log at its most talkative'],
    ['test/security/canaries.spec.ts', 'P10 has no secret in it, however deep one looks'],
    ['test/library/observability.e2e-spec.ts', 'never is a secret: not in a span, not in a metric'],
  ],
  P11: [
    ['test/security/open-data.spec.ts', 'P11 control: makes a naive server accept a phone number of his choice'],
    ['test/security/open-data.spec.ts', 'P11 learns nothing from ours in'],
    ['test/security/open-data.spec.ts', 'P11 refuses ten times in the same words'],
  ],
  P12: [
    ['test/security/open-data.spec.ts', 'P12 is never another user or another phone number'],
    ['test/security/open-data.spec.ts', 'P12 is not taken with its blocks swapped, doubled or cut off'],
  ],
  P13: [['test/security/code-rules.spec.ts', 'P13 compares what could be guessed in constant time, everywhere']],
  P14: [
    ['test/faults/redis-app.spec.ts', 'R1 Redis is killed under 64 requests'],
    ['test/library/session-security.e2e-spec.ts', 'answers 503 while the store cannot, never 401 and never 200'],
    ['test/library/module.e2e-spec.ts', 'lets nobody through for a strategy that passes, fails or breaks'],
  ],
  P15: [
    ['test/faults/redis-app.spec.ts', 'R2 Redis is frozen'],
    ['test/faults/redis-app.spec.ts', 'R3 Redis takes 2 s'],
    ['test/faults/soak.spec.ts', 'D2 nobody becomes somebody else'],
  ],
  P16: [
    ['test/security/bad-input.spec.ts', 'P16 as a code, of wx.login, of the phone button and of OAuth, is a bad request'],
    ['test/security/bad-input.spec.ts', 'P16 as JSON is answered with a refusal that does not repeat it'],
    ['test/security/bad-input.spec.ts', 'P16 as a header ends at the guard, without a look into the store'],
  ],
  P17: [
    ['test/faults/access-token.spec.ts', 'T1 is refused under 100 calls'],
    ['test/faults/access-token.spec.ts', 'T2 is refused for ever'],
    ['test/faults/access-token.spec.ts', 'T3 is fetched once for 25 callers in each of four cold processes'],
    ['test/faults/access-token.spec.ts', 'T4 that hold the lock are killed before, during and after their call'],
    ['test/faults/access-token.spec.ts', 'T5 that hold the lock sleep through their lease'],
    ['test/faults/access-token.spec.ts', 'T8 legacy answers overtake each other'],
  ],
  P18: [['test/faults/access-token.spec.ts', 'T6 still works while refreshes fail']],
  P19: [['test/library/platform-faults.e2e-spec.ts', 'repeats what is safe to repeat: a token after a lost answer, never a phone code']],
  P20: [
    ['test/library/platform-faults.e2e-spec.ts', 'never follows a redirect with the secret'],
    ['test/library/access-token.e2e-spec.ts', 'opens any of the APIs of WeChat, and no other address'],
  ],
  P21: [
    ['test/library/services.e2e-spec.ts', "gives a token of ours, behind which WeChat's stay"],
    ['test/library/services.e2e-spec.ts', 'of a website starts with a state that comes back once, in time, to the same browser'],
  ],
  P22: [
    ['test/sample/app-jwt.e2e-spec.ts', 'RS256, and HS256 with the RSA public key as the secret: 401'],
    ['test/sample/account.e2e-spec.ts', 'ends with its login: logged out, ended from another device'],
  ],
  P23: [
    ['test/faults/session-redis.spec.ts', 'S3 ten refreshes give one successor, to those who lost its answer too'],
    ['test/faults/session-redis.spec.ts', 'S3 the predecessor works to the end of its grace time'],
    ['test/faults/session-redis.spec.ts', 'S3 the grandparent is refused at once'],
    ['test/faults/session-scheduler.spec.ts', 'S3 ten refreshes at once give one successor'],
  ],
  P24: [
    ['test/security/sessions.spec.ts', 'P24 never meet:'],
    ['test/faults/soak.spec.ts', 'D2 nobody becomes somebody else'],
    ['test/faults/redis-app.spec.ts', 'R5 nobody becomes somebody else'],
  ],
  P25: [
    ['test/security/bad-input.spec.ts', 'P16 as a QR code is named field by field, and WeChat does not hear of it'],
    ['test/library/services.e2e-spec.ts', 'is an image or an error, never something between'],
  ],
  P26: [
    ['test/faults/shutdown.spec.ts', 'D1 finishes 50 logins and a token that are under way'],
    ['test/faults/shutdown.spec.ts', 'D1 finishes a refresh of the access token that no request waits for'],
  ],
  P27: [
    ['test/security/code-rules.spec.ts', 'P27 evaluates no text, reads no XML, takes no files, starts no process'],
    ['test/security/code-rules.spec.ts', 'P27 needs two packages of its own'],
  ],
};
