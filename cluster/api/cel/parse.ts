// From text to a tree: operators by precedence, macros recognised by name and number of arguments.
//
// Source of facts: cel-spec langdef.md (syntax, macros), cel-go's ext (two-variable comprehensions,
// optionals)
// and the texts of its parser, which are those of ANTLR.
// What always holds: the tree is bounded in depth; the first thing that fits no rule ends the parsing.

import { limits } from '../../limits.ts';
import type { Entry, Expr, Item, LoopKind } from './ast.ts';
import type { CelError } from './errors.ts';
import { lex } from './lex.ts';
import type { Token } from './lex.ts';
import { textSize } from './values.ts';

export type Parsed = { readonly expr: Expr } | { readonly errors: readonly CelError[] };

export function parse(text: string): Parsed {
  const size = text.length > limits.celExpressionSizeMax ? textSize(text) : 0;
  if (size > limits.celExpressionSizeMax) {
    const message =
      `expression code point size exceeds limit: size: ${size}, limit ${limits.celExpressionSizeMax}`;
    return { errors: [{ at: 0, message }] };
  }
  const { tokens, errors } = lex(text), parser = new Parser(tokens);
  const expr = parser.whole();
  const all = [...errors, ...parser.errors];
  return expr === null || all.length > 0 ? { errors: all } : { expr };
}

const starts =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, "
  + 'BYTES, IDENTIFIER}';

const relations: readonly string[] = ['<', '<=', '>=', '>', '==', '!=', 'in'];

/** Gone when something is wrong: the error is noted, and null is handed up. */
class Parser {
  readonly errors: CelError[] = [];
  readonly #tokens: readonly Token[];
  readonly #depths = new Map<Expr, number>();
  #at = 0;
  #nested = 0;

  constructor(tokens: readonly Token[]) { this.#tokens = tokens; }

  whole(): Expr | null {
    const expr = this.#expression();
    if (expr === null) return null;
    const { kind, text, at } = this.#peek();
    if (kind === 'end') return expr;
    const more = this.#tokens[this.#at + 1]?.kind !== 'end' && kind !== 'reserved';
    return this.#fail(
      at, `Syntax error: ${more ? 'mismatched' : 'extraneous'} input '${text}' expecting <EOF>`);
  }

  // ── operators ──────────────────────────────────────────────────────────────────────────────────────────

  #expression(): Expr | null {
    this.#nested += 1;
    const expr = this.#nested > limits.celDepthMax ? this.#tooDeep() : this.#choice();
    this.#nested -= 1;
    return expr;
  }

  #choice(): Expr | null {
    const condition = this.#logic('||');
    if (condition === null || !this.#isSign('?')) return condition;
    const { at } = this.#take();
    const then = this.#logic('||');
    if (then === null || !this.#expect(':')) return null;
    const other = this.#expression();
    return other === null ? null
      : this.#made({ type: 'choice', at, condition, then, other }, [condition, then, other]);
  }

  /** Chains of `||` and of `&&` are one node: they are long in practice, and must not make the tree deep. */
  #logic(sign: '||' | '&&'): Expr | null {
    const next = (): Expr | null => sign === '||' ? this.#logic('&&') : this.#relation();
    const first = next();
    if (first === null || !this.#isSign(sign)) return first;
    const args = [first], { at } = this.#peek();
    while (this.#isSign(sign)) {
      this.#take();
      const arg = next();
      if (arg === null) return null;
      args.push(arg);
    }
    return this.#made({ type: sign === '||' ? 'any' : 'all', at, args }, args);
  }

  #relation(): Expr | null {
    return this.#binary((token) => relations.includes(token.text) && token.kind !== 'string',
      () => this.#sum());
  }

  #sum(): Expr | null {
    return this.#binary(({ kind, text }) => kind === 'sign' && (text === '+' || text === '-'),
      () => this.#product());
  }

  #product(): Expr | null {
    return this.#binary(({ kind, text }) => kind === 'sign' && (text === '*' || text === '/' || text === '%'),
      () => this.#unary());
  }

  #binary(fits: (token: Token) => boolean, operand: () => Expr | null): Expr | null {
    let left = operand();
    while (left !== null && fits(this.#peek())) {
      const { text, at } = this.#take(), right = operand();
      if (right === null) return null;
      const name = text === 'in' ? '@in' : `_${text}_`;
      left = this.#made({ type: 'call', at, name, target: null, args: [left, right] }, [left, right]);
    }
    return left;
  }

  #unary(): Expr | null {
    const { at, text, kind } = this.#peek();
    if (kind !== 'sign' || (text !== '!' && text !== '-')) return this.#member(null);
    let count = 0;
    while (this.#isSign(text)) { this.#take(); count += 1; }
    const next = this.#peek();
    // The sign of a number belongs to it.
    if (text === '-' && (next.kind === 'int' || next.kind === 'double')) {
      this.#take();
      const value = typeof next.value === 'bigint' ? -next.value : -Number(next.value);
      const literal: Expr = { type: 'const', at, value };
      return this.#signed(this.#member(literal), text, at, count - 1);
    }
    return this.#signed(this.#member(null), text, at, count);
  }

  /** Two signs undo each other. */
  #signed(of: Expr | null, text: string, at: number, count: number): Expr | null {
    if (of === null || count % 2 === 0) return of;
    return this.#made({ type: 'call', at, name: text === '!' ? '!_' : '-_', target: null, args: [of] }, [of]);
  }

  // ── members ────────────────────────────────────────────────────────────────────────────────────────────

  #member(literal: Expr | null): Expr | null {
    let expr = literal ?? this.#primary();
    while (expr !== null) {
      if (this.#isSign('.')) expr = this.#dotted(expr);
      else if (this.#isSign('[')) expr = this.#indexed(expr);
      else break;
    }
    return expr;
  }

  #dotted(of: Expr): Expr | null {
    const { at } = this.#take(), optional = this.#isSign('?');
    if (optional) this.#take();
    const name = this.#peek();
    if (name.kind !== 'name' && name.kind !== 'reserved') {
      const input = `.${optional ? '?' : ''}${name.kind === 'end' ? '' : name.text}`;
      return this.#fail(name.at, `Syntax error: no viable alternative at input '${input}'`);
    }
    this.#take();
    if (this.#isSign('(') && !optional) return this.#call(name.text, of);
    return this.#made({ type: 'select', at, of, field: name.text, optional }, [of]);
  }

  #indexed(of: Expr): Expr | null {
    const { at } = this.#take(), optional = this.#isSign('?');
    if (optional) this.#take();
    const index = this.#expression();
    if (index === null || !this.#expect(']')) return null;
    return this.#made({ type: 'index', at, of, index, optional }, [of, index]);
  }

  #call(name: string, target: Expr | null): Expr | null {
    const { at } = this.#take(), args: Expr[] = [];
    if (this.#peek().kind === 'end') return this.#unexpected(starts.replace("'(',", "'(', ')',"));
    while (!this.#isSign(')')) {
      const arg = this.#expression();
      if (arg === null) return null;
      args.push(arg);
      if (!this.#isSign(',')) break;
      this.#take();
      if (this.#isSign(')')) return this.#unexpected();
    }
    if (!this.#expect(')')) return null;
    const inside = target === null ? args : [target, ...args];
    if (target === null) {
      if (name === 'has' && args.length === 1) return this.#has(args[0] as Expr, at);
    } else {
      const macro = this.#macro(name, target, args, at);
      if (macro !== undefined) return macro;
    }
    return this.#made({ type: 'call', at, name, target, args }, inside);
  }

  // ── macros ─────────────────────────────────────────────────────────────────────────────────────────────

  #has(arg: Expr, at: number): Expr | null {
    if (arg.type !== 'select' || arg.optional) return this.#fail(arg.at, 'invalid argument to has() macro');
    return this.#made({ type: 'has', at, of: arg.of, field: arg.field }, [arg.of]);
  }

  /** Undefined: it is a call like any other. */
  #macro(name: string, over: Expr, args: readonly Expr[], at: number): Expr | null | undefined {
    if ((name === 'optMap' || name === 'optFlatMap') && args.length === 2) {
      const bound = this.#names(args.slice(0, 1)), body = args[1] as Expr;
      if (bound === null) return null;
      return this.#made(
        { type: 'optMap', at, flat: name === 'optFlatMap', of: over, name: bound[0] ?? '', body },
        [over, body]);
    }
    const form = loopForm(name, args.length);
    if (form === null) return undefined;
    const names = this.#names(args.slice(0, form.names));
    if (names === null) return null;
    const body = args.at(-1) as Expr, filter = form.filtered ? args.at(-2) as Expr : null;
    return this.#made({ type: 'loop', at, kind: form.kind, over, names, filter, body },
      filter === null ? [over, body] : [over, filter, body]);
  }

  #names(args: readonly Expr[]): readonly string[] | null {
    const names: string[] = [];
    for (const arg of args) {
      if (arg.type !== 'name') return this.#fail(arg.at, 'argument must be a simple name');
      if (arg.name === '__result__') {
        return this.#fail(arg.at, 'iteration variable overwrites accumulator variable');
      }
      names.push(arg.name);
    }
    const [first, second] = names;
    if (second === undefined || first !== second) return names;
    return this.#fail(args[1]?.at ?? 0, `duplicate variable name: ${second}`);
  }

  // ── primaries ──────────────────────────────────────────────────────────────────────────────────────────

  #primary(): Expr | null {
    const token = this.#peek(), { at } = token;
    switch (token.kind) {
      case 'int':
        if (token.value === 2n ** 63n) return this.#fail(at, 'invalid int literal');
        return this.#literal();
      case 'uint': case 'double': case 'string': case 'bytes': return this.#literal();
      case 'name': return this.#named();
      case 'reserved': return this.#fail(at, `reserved identifier: ${token.text}`);
      case 'end': return this.#unexpected();
      case 'sign': break;
    }
    switch (token.text) {
      case '(': {
        this.#take();
        const inside = this.#expression();
        return inside === null || !this.#expect(')') ? null : inside;
      }
      case '[': return this.#list();
      case '{': return this.#map();
      case '.': this.#take(); return this.#peek().kind === 'name' ? this.#named() : this.#unexpected();
      default: return this.#unexpected();
    }
  }

  #literal(): Expr | null {
    const { at, value = null } = this.#take();
    return this.#made({ type: 'const', at, value }, []);
  }

  #named(): Expr | null {
    const { at, text } = this.#take();
    if (text === 'true' || text === 'false') return this.#made(
      { type: 'const', at, value: text === 'true' }, []);
    if (text === 'null') return this.#made({ type: 'const', at, value: null }, []);
    if (text === 'in') { this.#at -= 1; return this.#unexpected(); }
    if (this.#isSign('(')) return this.#call(text, null);
    return this.#object(text)
      ?? (this.errors.length > 0 ? null : this.#made({ type: 'name', at, name: text }, []));
  }

  /** `Name.of.Type{field: value}`; null, and nothing is taken, where no such thing stands here. */
  #object(first: string): Expr | null {
    let ahead = this.#at, name = first;
    const signAt = (at: number): string => this.#tokens[at]?.kind === 'sign' ? this.#tokens[at].text : '';
    while (signAt(ahead) === '.' && this.#tokens[ahead + 1]?.kind === 'name') {
      name += `.${this.#tokens[ahead + 1]?.text ?? ''}`;
      ahead += 2;
    }
    if (signAt(ahead) !== '{') return null;
    this.#at = ahead;
    const { at } = this.#take();
    const fields: { at: number; name: string; value: Expr; optional: boolean }[] = [];
    while (!this.#isSign('}')) {
      const optional = this.#isSign('?');
      if (optional) this.#take();
      const field = this.#take(), colon = this.#peek();
      if (field.kind !== 'name') { this.#at -= 1; return this.#unexpected(); }
      if (!this.#expect(':')) return null;
      const value = this.#expression();
      if (value === null) return null;
      fields.push({ at: colon.at, name: field.text, value, optional });
      if (!this.#isSign(',')) break;
      this.#take();
    }
    if (!this.#expect('}')) return null;
    return this.#made({ type: 'object', at, name, fields }, fields.map(({ value }) => value));
  }

  #list(): Expr | null {
    const { at } = this.#take(), items: Item[] = [];
    if (this.#isSign(',')) { this.#take(); return this.#expect(']')
      ? this.#made({ type: 'list', at, items }, []) : null; }
    while (!this.#isSign(']')) {
      const optional = this.#isSign('?');
      if (optional) this.#take();
      const value = this.#expression();
      if (value === null) return null;
      items.push({ value, optional });
      if (!this.#isSign(',')) break;
      this.#take();
    }
    if (!this.#expect(']', "{']', ','}")) return null;
    return this.#made({ type: 'list', at, items }, items.map(({ value }) => value));
  }

  #map(): Expr | null {
    const { at } = this.#take(), entries: Entry[] = [];
    if (this.#isSign(',')) { this.#take(); return this.#expect('}')
      ? this.#made({ type: 'map', at, entries }, []) : null; }
    while (!this.#isSign('}')) {
      const optional = this.#isSign('?');
      if (optional) this.#take();
      const key = this.#expression();
      if (key === null) return null;
      const colon = this.#peek();
      if (!this.#expect(':')) return null;
      const value = this.#expression();
      if (value === null) return null;
      entries.push({ at: colon.at, key, value, optional });
      if (!this.#isSign(',')) break;
      this.#take();
    }
    if (!this.#expect('}', "{'}', ','}")) return null;
    return this.#made({ type: 'map', at, entries }, entries.flatMap(({ key, value }) => [key, value]));
  }

  // ── tokens ─────────────────────────────────────────────────────────────────────────────────────────────

  #peek(): Token { return this.#tokens[this.#at] ?? { kind: 'end', text: '<EOF>', at: 0 }; }

  #take(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#at += 1;
    return token;
  }

  #isSign(text: string): boolean {
    const token = this.#peek();
    return token.kind === 'sign' && token.text === text;
  }

  /** `wanted`: all that could stand here, where that is more than the one. */
  #expect(text: string, wanted = ''): boolean {
    if (this.#isSign(text)) { this.#take(); return true; }
    const token = this.#peek();
    const missing = wanted === ''
      && (text === ':' ? token.kind !== 'end' && token.kind !== 'sign' : token.kind === 'end');
    this.#fail(token.at, missing ? `Syntax error: missing '${text}' at '${token.text}'`
      : `Syntax error: ${inputOf(token)} expecting ${wanted === '' ? `'${text}'` : wanted}`);
    return false;
  }

  #unexpected(wanted = starts): null {
    const token = this.#peek();
    return this.#fail(token.at, `Syntax error: ${inputOf(token)} expecting ${wanted}`);
  }

  #fail(at: number, message: string): null {
    this.errors.push({ at, message });
    return null;
  }

  #tooDeep(): null {
    const message = `expression recursion limit exceeded: ${limits.celDepthMax}`;
    if (this.errors.some((error) => error.message === message)) return null;
    return this.#fail(0, message);
  }

  #made(expr: Expr, inside: readonly Expr[]): Expr | null {
    let depth = 0;
    for (const each of inside) depth = Math.max(depth, this.#depths.get(each) ?? 0);
    this.#depths.set(expr, depth + 1);
    return depth + 1 > limits.celDepthMax ? this.#tooDeep() : expr;
  }
}

const inputOf = ({ text }: Token): string => `mismatched input '${text}'`;

interface LoopForm { readonly kind: LoopKind; readonly names: number; readonly filtered: boolean }

function loopForm(name: string, args: number): LoopForm | null {
  const form = (kind: LoopKind, names: number, filtered = false): LoopForm => ({ kind, names, filtered });
  switch (`${name}/${args}`) {
    case 'all/2': return form('all', 1);
    case 'all/3': return form('all', 2);
    case 'exists/2': return form('exists', 1);
    case 'exists/3': return form('exists', 2);
    case 'exists_one/2': return form('existsOne', 1);
    case 'existsOne/3': return form('existsOne', 2);
    case 'map/2': return form('map', 1);
    case 'map/3': return form('map', 1, true);
    case 'filter/2': return form('filter', 1);
    case 'transformList/3': return form('transformList', 2);
    case 'transformList/4': return form('transformList', 2, true);
    case 'transformMap/3': return form('transformMap', 2);
    case 'transformMap/4': return form('transformMap', 2, true);
    case 'transformMapEntry/3': return form('transformMapEntry', 2);
    case 'transformMapEntry/4': return form('transformMapEntry', 2, true);
    default: return null;
  }
}
