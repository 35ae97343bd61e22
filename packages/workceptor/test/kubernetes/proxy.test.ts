import { describe, expect, it } from 'vitest';
import { proxyFromEnvironment } from '../../src/workers/kubernetes/access/proxy.js';

const PROXY = 'http://proxy:3128';

describe('proxyFromEnvironment', () => {
  it.each<[string, Record<string, string>, string | undefined]>([
    ['https://api.example.com:6443', {}, undefined],
    ['https://api.example.com', { HTTPS_PROXY: PROXY }, PROXY],
    ['https://api.example.com', { https_proxy: PROXY }, PROXY],
    ['https://api.example.com', { HTTPS_PROXY: 'proxy:3128' }, PROXY],
    ['https://api.example.com', { HTTP_PROXY: PROXY }, undefined],
    ['http://api.example.com', { HTTP_PROXY: PROXY }, PROXY],
    ['https://api.example.com', { HTTPS_PROXY: '' }, undefined],
    ['https://localhost:6443', { HTTPS_PROXY: PROXY }, undefined],
    ['https://127.0.0.1:6443', { HTTPS_PROXY: PROXY }, undefined],
    ['https://[::1]:6443', { HTTPS_PROXY: PROXY }, undefined],
  ])('%s with %j', (server, env, expected) => {
    expect(proxyFromEnvironment(server, env)).toBe(expected);
  });

  it.each<[string, string, boolean]>([
    ['*', 'https://api.example.com', true],
    ['example.com', 'https://example.com', true],
    ['example.com', 'https://api.example.com', true],
    ['example.com', 'https://badexample.com', false],
    ['.example.com', 'https://api.example.com', true],
    ['.example.com', 'https://example.com', false],
    ['*.example.com', 'https://api.example.com', true],
    ['EXAMPLE.com', 'https://api.example.com', true],
    ['other, api.example.com ', 'https://api.example.com', true],
    ['api.example.com:443', 'https://api.example.com', true],
    ['api.example.com:6443', 'https://api.example.com', false],
    ['api.example.com:6443', 'https://api.example.com:6443', true],
    ['10.1.2.3', 'https://10.1.2.3', true],
    ['10.1.2.3:443', 'https://10.1.2.3', true],
    ['10.1.2.0/24', 'https://10.1.2.3', true],
    ['10.1.3.0/24', 'https://10.1.2.3', false],
    ['10.1.2.0/99', 'https://10.1.2.3', false],
    ['fd00::/8', 'https://[fd00::1]:6443', true],
    ['fd00::1', 'https://[fd00::1]:6443', true],
    ['[fd00::1]:6443', 'https://[fd00::1]:6443', true],
    ['10.0.0.0/8', 'https://api.example.com', false],
    ['', 'https://api.example.com', false],
    [',:,/', 'https://api.example.com', false],
  ])('NO_PROXY=%s spares %s: %s', (exceptions, server, spared) => {
    const env = { HTTPS_PROXY: PROXY, NO_PROXY: exceptions };
    expect(proxyFromEnvironment(server, env)).toBe(spared ? undefined : PROXY);
  });

  it('refuses a proxy that it cannot use, and keeps its password to itself', () => {
    const use = (proxy: string) => () => proxyFromEnvironment('https://x', { HTTPS_PROXY: proxy });
    expect(use('ftp://me:secret@x')).toThrow(
      /^((?!secret).)*unsupported scheme "ftp" of the proxy of HTTPS_PROXY/,
    );
    expect(use('http://me:secret@')).toThrow(
      /^invalid configuration: the proxy of HTTPS_PROXY is not a URL$/,
    );
  });
});
