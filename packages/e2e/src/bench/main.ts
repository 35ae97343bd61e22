import { goReceptor, receptor } from '../index.js';
import { benchCommandLine } from './command-line-benchmarks.js';
import { benchDaemon, type Figures } from './daemon-benchmarks.js';
import { benchPodLog } from './pod-log-benchmark.js';

const progress = (name: string) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${name}`);
};

const format = (value: number | undefined) =>
  value === undefined ? '-' : value >= 100 ? value.toFixed(0) : value.toFixed(2);

function table(title: string, columns: [string, Figures | undefined][]): void {
  const [[, first] = ['', undefined], [, second] = ['', undefined]] = columns;
  if (first === undefined) return;
  console.log(`\n${title}`);
  console.log(
    ['', ...columns.map(([name]) => name), 'ratio']
      .map((cell, i) => (i === 0 ? cell.padEnd(44) : cell.padStart(12)))
      .join(''),
  );
  for (const [name, value] of first) {
    const other = second?.get(name);
    const ratio = other === undefined ? '-' : (value / other).toFixed(2);
    console.log(
      [name.padEnd(44), format(value).padStart(12), format(other).padStart(12), ratio.padStart(12)].join(''),
    );
  }
}

const wanted = new Set(process.argv.slice(2));
const wants = (name: string) => wanted.size === 0 || wanted.has(name);

if (wants('daemon')) {
  const ours = await benchDaemon(receptor, (name) => progress(`ours: ${name}`));
  const go = goReceptor && (await benchDaemon(goReceptor, (name) => progress(`Go: ${name}`)));
  progress('');
  table('The daemon, against the Go daemon (RECEPTOR_GO)', [
    ['ours', ours],
    ['Go', go],
  ]);
}
if (wants('command-line')) {
  const { ours, python, node } = await benchCommandLine();
  table('receptorctl, ms a call, against the Python one (RECEPTORCTL_PYTHON)', [
    ['ours', ours],
    ['Python', python],
  ]);
  table('receptorctl, ms a call, against `node -e 0`', [
    ['ours', ours],
    ['node', node],
  ]);
}
if (wants('pod-log')) {
  const figures = await benchPodLog();
  if (figures)
    table("A pod's output, MB/s, against `kubectl logs -f` (KUBECONFIG)", [
      ['ours', figures.ours],
      ['kubectl', figures.kubectl],
    ]);
  else console.log("\nA pod's output: left out, KUBECONFIG names no cluster");
}
