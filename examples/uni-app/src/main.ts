import { createSSRApp } from 'vue';
import App from './App.vue';

// uni-app calls this function by its name.
export const createApp = () => ({ app: createSSRApp(App) });
