/** What is used of WebAssembly, which the types of Node leave to those of browsers. */
interface WebAssemblyNamespace {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (
    module: object,
    imports: Record<string, Record<string, unknown>>,
  ) => { readonly exports: object };
}

/** The memory of an instance. Its buffer is replaced when it grows. */
export interface Memory {
  readonly buffer: ArrayBuffer;
}

/** The global of that name. */
export const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyNamespace })
  .WebAssembly;
