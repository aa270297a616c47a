const MpxWebpackPlugin = require('@mpxjs/webpack-plugin');
const path = require('node:path');

module.exports = {
  mode: 'production',
  context: __dirname,
  entry: { app: './src/app.mpx' },
  output: { path: path.join(__dirname, 'dist'), filename: '[name].js', publicPath: '/' },
  resolve: { extensions: ['.mpx', '.js'] },
  module: {
    rules: [
      { test: /\.mpx$/, use: MpxWebpackPlugin.loader() },
      { test: /\.wxml$/, use: MpxWebpackPlugin.wxmlLoader() },
      { test: /\.json$/, resourceQuery: /asScript/, type: 'javascript/auto' },
    ],
  },
  plugins: [new MpxWebpackPlugin({ mode: 'wx', srcMode: 'wx' })],
};
