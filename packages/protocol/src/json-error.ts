import { quoteGo } from './go-text.js';

/**
 * Says what is wrong with a text that is not JSON, in the words of Go's encoding/json, which clients have seen
 * all along. Undefined where the text is JSON.
 */
export function describeJsonError(text: string): string | undefined {
  return new JsonChecker(text).check();
}

/** What is open around the current position. */
type Inside = 'key' | 'member' | 'element';

/** Nesting beyond this is refused, as Go does. */
const MAX_DEPTH = 10_000;

/** Walks a text without recursion (its nesting is the sender's) until it is no longer JSON. */
class JsonChecker {
  readonly #text: string;
  #at = 0;
  readonly #open: Inside[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  check(): string | undefined {
    let error = this.#value();
    while (error === undefined && this.#open.length > 0) error = this.#afterValue();
    if (error !== undefined) return error;
    this.#space();
    return this.#at < this.#text.length ? this.#unexpected('after top-level value') : undefined;
  }

  /** A value begins here; of an object or a list only its opening is taken, and that of the lists that begin it. */
  #value(): string | undefined {
    this.#space();
    while (this.#text[this.#at] === '[') {
      if (this.#open.length >= MAX_DEPTH) return this.#unexpected('exceeded max depth');
      this.#at++;
      this.#space();
      if (this.#take(']')) return undefined;
      this.#open.push('element');
    }
    const char = this.#text[this.#at];
    if (char === '{') {
      if (this.#open.length >= MAX_DEPTH) return this.#unexpected('exceeded max depth');
      this.#at++;
      this.#space();
      if (this.#take('}')) return undefined;
      this.#open.push('key');
      return this.#key();
    }
    if (char === '"') return this.#string();
    if (char === 't') return this.#literal('true');
    if (char === 'f') return this.#literal('false');
    if (char === 'n') return this.#literal('null');
    if (char !== undefined && /[-0-9]/.test(char)) return this.#number();
    return this.#unexpected('looking for beginning of value');
  }

  #key(): string | undefined {
    this.#space();
    if (this.#text[this.#at] !== '"') return this.#unexpected('looking for beginning of object key string');
    return this.#string();
  }

  /** A value or a key has ended, and something is still open around it. */
  #afterValue(): string | undefined {
    this.#space();
    const inside = this.#open.pop();
    if (inside === 'key') {
      if (!this.#take(':')) return this.#unexpected('after object key');
      this.#open.push('member');
      return this.#value();
    }
    if (inside === 'member') {
      if (this.#take('}')) return undefined;
      if (!this.#take(',')) return this.#unexpected('after object key:value pair');
      this.#open.push('key');
      return this.#key();
    }
    if (this.#take(']')) return undefined;
    if (!this.#take(',')) return this.#unexpected('after array element');
    this.#open.push('element');
    return this.#value();
  }

  #string(): string | undefined {
    this.#at++;
    for (;;) {
      this.#skip(/[ !#-[\]-\uffff]*/y);
      if (this.#take('"')) return undefined;
      if (!this.#take('\\')) return this.#unexpected('in string literal');
      if (this.#take('u')) {
        for (let digit = 0; digit < 4; digit++)
          if (!this.#skip(/[0-9a-fA-F]/y)) return this.#unexpected('in \\u hexadecimal character escape');
      } else if (!this.#skip(/[bfnrt\\/"]/y)) {
        return this.#unexpected('in string escape code');
      }
    }
  }

  #literal(word: string): string | undefined {
    for (const char of word)
      if (!this.#take(char)) return this.#unexpected(`in literal ${word} (expecting '${char}')`);
    return undefined;
  }

  #number(): string | undefined {
    this.#take('-');
    if (!this.#take('0') && !this.#digits()) return this.#unexpected('in numeric literal');
    if (this.#take('.') && !this.#digits()) return this.#unexpected('after decimal point in numeric literal');
    if (this.#take('e') || this.#take('E')) {
      if (!this.#take('+')) this.#take('-');
      if (!this.#digits()) return this.#unexpected('in exponent of numeric literal');
    }
    return undefined;
  }

  #digits(): boolean {
    return this.#skip(/[0-9]*/y);
  }

  #space(): void {
    this.#skip(/[ \t\r\n]*/y);
  }

  /** Steps over what the sticky pattern matches; says whether that was anything. */
  #skip(pattern: RegExp): boolean {
    const start = this.#at;
    pattern.lastIndex = start;
    this.#at += pattern.exec(this.#text)?.[0].length ?? 0;
    return this.#at > start;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #unexpected(context: string): string {
    // At the end Go tries a space, and so complains of that where a space is wrong too: within a token.
    const withinToken = /^(in (?!string literal)|after decimal point)/.test(context);
    const code = this.#text.codePointAt(this.#at) ?? (withinToken ? 0x20 : undefined);
    if (code === undefined) return 'unexpected end of JSON input';
    // Go looks at bytes: of a character outside ASCII it shows the first one, read as Latin-1.
    const byte = code < 0x80 ? code : (Buffer.from(String.fromCodePoint(code))[0] ?? code);
    const char = String.fromCharCode(byte);
    const shown = char === '"' ? '"' : char === "'" ? "\\'" : quoteGo(char).slice(1, -1);
    return `invalid character '${shown}' ${context}`;
  }
}
