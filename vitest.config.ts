import { defineConfig } from 'vitest/config';

/** Where a tier's tests stand, by the ending of their names. */
const tier = (name: string, ending: string, testTimeout: number, fileParallelism = true) => ({
  test: {
    name,
    include: [`packages/*/test/**/*.${ending}.ts`],
    environment: 'node' as const,
    testTimeout,
    hookTimeout: testTimeout,
    fileParallelism,
  },
});

export default defineConfig({
  test: {
    passWithNoTests: true,
    projects: [
      tier('unit', 'test', 20_000),
      tier('component', 'component', 60_000),
      tier('e2e', 'e2e', 120_000),
      tier('python', 'python', 120_000),
      tier('cluster', 'cluster', 600_000, false),
    ],
  },
});
