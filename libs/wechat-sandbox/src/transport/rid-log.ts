import { BoundedMap } from '../world/bounded-map.js';
import { newRid } from '../world/ids.js';
import type { PlatformRequest } from './request.js';

/** The data that `cgi-bin/openapi/rid/get` returns for a refused call. */
export interface RidRecord {
  invoke_time: number;
  cost_in_ms: number;
  request_url: string;
  request_body: string;
  response_body: string;
  client_ip: string;
}

const KEPT = 1000;
const LONGEST_BODY = 65_536;

/** The newest refused calls by their request id. */
export class RidLog {
  private readonly records = new BoundedMap<string, RidRecord>(KEPT);

  /** Records a refused call and returns its new id. */
  add({ url, body, ip }: PlatformRequest, invoke_time: number): string {
    const rid = newRid(invoke_time);
    this.records.set(rid, {
      invoke_time,
      cost_in_ms: 1,
      request_url: url,
      request_body: body.slice(0, LONGEST_BODY),
      response_body: '',
      client_ip: ip,
    });
    return rid;
  }

  /** Adds the response to the record of a call. */
  setResponse(rid: string, response_body: string): void {
    const record = this.records.get(rid);
    if (record) record.response_body = response_body;
  }

  get(rid: string): RidRecord | undefined {
    return this.records.get(rid);
  }
}
