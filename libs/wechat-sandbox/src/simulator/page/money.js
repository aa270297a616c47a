/** Formats whole fen: 2200 is ¥22.00. */
export const yuan = (fen) => `¥${(fen / 100).toFixed(2)}`;
