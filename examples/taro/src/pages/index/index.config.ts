export default definePageConfig({ navigationBarTitleText: '我 · Me' });
