import { html, nothing } from '../vendor/lit-html.js';
import { state, update } from './state.js';
import { t } from './texts.js';
import { tourSteps } from './tour-steps.js';

/** The guided tour: one step at a time, with a tick when the reader has tried it. */
export function tour() {
  const { step, done } = state.tour;
  const steps = tourSteps();
  const { title, text, task } = steps[step];
  const language = state.lang === 'zh' ? 0 : 1;
  return html`<section class="card tour" id="tour" aria-labelledby="tour-title" tabindex="-1">
    <header class="card-head">
      <h2 id="tour-title">${t('tour')}</h2>
      <span class="small">${t('tourStep', { n: step + 1, all: steps.length })}</span>
    </header>
    <div class="tour-text" aria-live="polite">
      <h3>${title[language]}</h3>
      <p>${marked(text[language])}</p>
      ${
        task
          ? html`<p class="task ${done.has(step) ? 'done' : ''}">
              <strong>${done.has(step) ? t('tourDone') : t('tourDo')}</strong>
              ${marked(task[language])}
            </p>`
          : nothing
      }
    </div>
    <div class="row tour-foot">
      <button @click=${() => go(-1)} ?disabled=${step === 0}>${t('tourBack')}</button>
      <span class="dots" aria-hidden="true"
        >${steps.map((_, i) => html`<i class="${i === step ? 'here' : ''} ${done.has(i) ? 'done' : ''}"></i>`)}</span
      >
      <button class="primary" @click=${() => go(1)} ?disabled=${step === steps.length - 1}>
        ${t('tourNext')}
      </button>
    </div>
  </section>`;
}

/** Goes some steps forward or back from the newest step, which the page may not show yet: it is drawn once per frame. */
function go(by) {
  const step = Math.min(Math.max(state.tour.step + by, 0), tourSteps().length - 1);
  update({ tour: { ...state.tour, step } });
}

/** Renders `names` as code and [buttons] in bold. */
function marked(text) {
  return text.split(/(`[^`]+`|\[[^\]]+\])/).map((part) => {
    if (part.startsWith('`')) return html`<code>${part.slice(1, -1)}</code>`;
    return part.startsWith('[') ? html`<strong>${part.slice(1, -1)}</strong>` : part;
  });
}
