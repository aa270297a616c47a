/** Prints the table of faults after a run: each row, how often it was tried, how often a promise was broken. */
export default class FaultTable {
  onRunComplete(_contexts, { testResults }) {
    const rows = new Map();
    for (const { title, ancestorTitles, status } of testResults.flatMap((file) => file.testResults)) {
      const [, row, fault] = /^([A-Z]\d+) (.*)$/.exec(title) ?? [];
      if (row && status !== 'pending') count(rows, row, [...ancestorTitles, fault].join(' '), status);
    }
    const lines = [...rows.values()].toSorted((a, b) => a.row.localeCompare(b.row, 'en', { numeric: true }));
    process.stdout.write(`\n| row | fault | trials | violations |\n|---|---|---|---|\n${lines.map(format).join('')}\n`);
  }
}

function count(rows, row, fault, status) {
  const line = rows.get(row + fault) ?? { row, fault, trials: 0, violations: 0 };
  line.trials++;
  if (status === 'failed') line.violations++;
  rows.set(row + fault, line);
}

const format = ({ row, fault, trials, violations }) => `| ${row} | ${fault} | ${trials} | ${violations} |\n`;
