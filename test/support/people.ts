import type { NewUser, SandboxUser } from 'nestjs-wechat-sandbox';
import type { AppResponse } from './http.js';
import type { Login, Started } from './start.js';

/** A user who is logged in. */
export interface Person extends Login {
  wechat: SandboxUser;
  /** Sends a code of the phone button to a route. */
  withPhone: (route: string) => Promise<AppResponse>;
}

/** Logs a user in to the first mini program, or to another one. */
export async function person(
  { wechat, login, call }: Started,
  who: SandboxUser | NewUser = {},
  appId?: string,
): Promise<Person> {
  const user = 'login' in who ? who : wechat.users.create(who);
  const logged = await login(user, { body: appId && { appId, ...(await user.login(appId)) } });
  const withPhone = async (route: string): Promise<AppResponse> => {
    const { code } = await user.getPhoneNumber(appId);
    return call(route, { token: logged.session_rd, body: { code } });
  };
  return { ...logged, wechat: user, withPhone };
}

/** Registers a user's phone number. Returns the app token. */
export async function registered(
  { call }: Started,
  { session_rd, withPhone }: Person,
): Promise<string> {
  const { registrationTicket } = (await withPhone('POST /auth/phone-login')).body.data;
  const { status, body } = await call('POST /auth/register', {
    token: session_rd,
    body: { registrationTicket },
  });
  if (status !== 200) throw new Error(`register: ${status} ${JSON.stringify(body)}`);
  return body.data.token;
}
