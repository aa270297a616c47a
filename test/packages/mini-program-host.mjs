// Runs a built mini program as WeChat does: its files are CommonJS modules, with WeChat's globals and nothing of Node.
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import vm from 'node:vm';

/**
 * Launches the app and opens a page of it.
 *
 * @param folder the folder of `app.json`
 * @param wx the functions of WeChat that the program calls
 * @returns the page, and what it has shown so far, as JSON
 */
export function openMiniProgram(folder, wx, route) {
  let app;
  let page;
  const shown = [];
  const context = vm.createContext({
    wx: { ...Object.fromEntries(OF_FRAMEWORKS.map((name) => [name, () => ({})])), ...wx },
    App: (options) => (app = options),
    Page: (options) => (page = { ...instance(shown), ...options, route }),
    Component: ({ methods, lifetimes, properties, ...options }) =>
      (page = {
        ...instance(shown),
        ...options,
        ...lifetimes,
        ...methods,
        properties: defaultsOf(properties),
        route,
        is: route,
      }),
    Behavior: (behavior) => behavior,
    getApp: () => app,
    getCurrentPages: () => (page ? [page] : []),
    console,
    setTimeout: (work, ms) => setTimeout(() => work(), ms).unref(), // the refresh of the session must not keep the test running
    clearTimeout,
    setInterval: (work, ms) => setInterval(() => work(), ms).unref(),
    clearInterval,
  });
  context.global = context;
  const load = loaderIn(folder, context);
  load(join(folder, 'app.js'));
  for (const event of ['onLaunch', 'onShow'])
    app?.[event]?.({ path: route, query: {}, scene: 1001 });
  load(join(folder, `${route}.js`));
  for (const event of ['created', 'attached', 'onLoad', 'onShow', 'ready', 'onReady'])
    page[event]?.({});
  return { page, shown: () => JSON.stringify(shown) };
}

const instance = (shown) => ({
  data: {},
  selectAllComponents: () => [],
  triggerEvent: () => {},
  setData(update, done) {
    shown.push(update);
    Object.assign(this.data, update);
    if (done) setTimeout(() => done());
  },
});

const defaultsOf = (properties = {}) =>
  Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, each?.value]));

/** What Taro, uni-app and mpx call at the start. */
const OF_FRAMEWORKS = [
  ...['getSystemInfoSync', 'getAppBaseInfo', 'getWindowInfo', 'getDeviceInfo', 'canIUse'],
  ...['getLaunchOptionsSync', 'getEnterOptionsSync', 'onAppShow', 'onAppHide', 'setStorage'],
];

/** `require` of a mini program: relative files, and packages that DevTools has copied into miniprogram_npm. */
function loaderIn(folder, context) {
  const modules = new Map();
  return function load(file) {
    const loaded = modules.get(file);
    if (loaded) return loaded.exports;
    const module = { exports: {} };
    modules.set(file, module);
    const source = `(function (require, module, exports) {${readFileSync(file, 'utf8')}\n})`;
    const require = (name) => load(fileOf(folder, dirname(file), name));
    vm.runInContext(source, context, { filename: file })(require, module, module.exports);
    return module.exports;
  };
}

function fileOf(folder, from, name) {
  const path = name.startsWith('.') ? join(from, name) : join(folder, 'miniprogram_npm', name);
  const file = [path, `${path}.js`, join(path, 'index.js')].find((candidate) =>
    statSync(candidate, { throwIfNoEntry: false })?.isFile(),
  );
  if (!file) throw new Error(`require('${name}') in ${from}: no such file`);
  return file;
}
