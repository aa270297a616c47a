import { miniProgramOf } from './mini-program.js';
import { state } from './state.js';

/** Reads the results of content checks again when WeChat has pushed one. */
export function followContent({ title, delivery, responseTo }) {
  if (delivery && responseTo && title.includes('wxa_media_check') && state.userId)
    miniProgramOf(state.userId).renewContent();
}
