import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/index.js';
import {
  checkKubernetesOptions,
  type KubernetesWorkTypeOptions,
} from '../../src/workers/kubernetes/options.js';
import { kubernetesWorkType } from '../../src/workers/kubernetes/work-type.js';

const check = (options: Partial<KubernetesWorkTypeOptions>) =>
  checkKubernetesOptions({ workType: 'kubeit', ...options });
const complete = { authMethod: 'kubeconfig', image: 'x' };

describe('a work-kubernetes section', () => {
  it.each<[string, Partial<KubernetesWorkTypeOptions>]>([
    ['invalid AuthMethod: Magic', { authMethod: 'Magic' }],
    ['must provide namespace when AuthMethod is not kubeconfig', { image: 'x' }],
    ['must provide namespace when AuthMethod is not kubeconfig', { authMethod: 'runtime', image: 'x' }],
    ['can only provide KubeConfig when AuthMethod=kubeconfig', { namespace: 'a', kubeConfig: '/etc/passwd' }],
    [
      'error accessing kubeconfig file: stat /nosuch: no such file or directory',
      { ...complete, kubeConfig: '/nosuch' },
    ],
    ['can only provide Pod when Image, Command, and Params are empty', { ...complete, pod: '/pod' }],
    [
      'can only provide Pod when Image, Command, and Params are empty',
      { authMethod: 'kubeconfig', pod: '/pod', command: 'x' },
    ],
    [
      'can only provide Pod when Image, Command, and Params are empty',
      { authMethod: 'kubeconfig', pod: '/pod', params: 'x' },
    ],
    ['must specify a container image to run', { authMethod: 'kubeconfig' }],
    [
      'must specify a container image to run',
      { authMethod: 'kubeconfig', allowRuntimeParams: true, allowRuntimeAuth: true },
    ],
    ['stream mode must be logger or tcp', { ...complete, streamMethod: 'udp' }],
  ])('is refused with "%s" for %j', (message, options) => {
    expect(() => check(options)).toThrow(
      expect.objectContaining({ code: 'RECEPTOR_CONFIG_INVALID', message }),
    );
  });

  it('is checked in the order of the Go daemon: the first fault is told', () => {
    const faults: Partial<KubernetesWorkTypeOptions>[] = [
      { authMethod: 'Magic', kubeConfig: '/nosuch', pod: '/pod', command: 'x', streamMethod: 'udp' },
      { authMethod: 'incluster' },
      { namespace: 'a' },
      { authMethod: 'kubeconfig' },
      { kubeConfig: '/etc/passwd' },
      { pod: '', command: '' },
      { image: 'x' },
      { streamMethod: 'TCP' },
    ];
    let options: Partial<KubernetesWorkTypeOptions> = {};
    const told = faults.map((repair) => {
      options = { ...options, ...repair };
      try {
        return check(options).streamMethod;
      } catch (error) {
        return (error as Error).message.split(' ').slice(0, 3).join(' ');
      }
    });
    expect(told).toEqual([
      'invalid AuthMethod: Magic',
      'must provide namespace',
      'can only provide',
      'error accessing kubeconfig',
      'can only provide',
      'must specify a',
      'stream mode must',
      'tcp',
    ]);
  });

  it.each<[string, Partial<KubernetesWorkTypeOptions>]>([
    ['incluster is the default', { namespace: 'a', image: 'x' }],
    ['in any case', { authMethod: 'InCluster', namespace: 'a', image: 'x' }],
    [
      'runtime without namespace, where submits may name one',
      { authMethod: 'RUNTIME', allowRuntimeAuth: true, image: 'x' },
    ],
    ['kubeconfig without anything', complete],
    ['no image, where submits may name one', { authMethod: 'KubeConfig', allowRuntimeCommand: true }],
    ['no image, where submits may bring a pod', { authMethod: 'kubeconfig', allowRuntimePod: true }],
    ['a pod file, which is not looked at yet', { authMethod: 'kubeconfig', pod: '/nosuch' }],
    ['tcp', { ...complete, streamMethod: 'Tcp' }],
  ])('is taken: %s', (_, options) => {
    expect(check(options)).toMatchObject({ workType: 'kubeit' });
  });

  it('has the defaults of the list form', () => {
    expect(check(complete)).toMatchObject({
      streamMethod: 'logger',
      deletePodOnRestart: true,
      allowRuntimeAuth: false,
      allowRuntimeCommand: false,
      allowRuntimeParams: false,
      allowRuntimePod: false,
      allowRuntimeKubeConfigFiles: false,
      failOnNonZeroExit: false,
      deleteOrphanPods: false,
      verifySignature: false,
    });
  });

  it('becomes a work type that says whether submits must be signed', () => {
    const about = { nodeId: 'foo', env: {}, log: silentLogger };
    const make = (verifySignature: boolean) =>
      kubernetesWorkType({ workType: 'k', ...complete, verifySignature }, about);
    expect(make(true)).toMatchObject({ name: 'k', verifiesSignature: true });
    expect(make(false).verifiesSignature).toBe(false);
    expect(() => kubernetesWorkType({ workType: 'k' }, about)).toThrow('must provide namespace');
  });
});
