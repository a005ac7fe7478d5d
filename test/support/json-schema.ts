import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

/** Unknown words are errors, but for `example`, which is OpenAPI's own; a format is a hint. */
const OPTIONS = {
  strictTypes: false,
  strictTuples: false,
  validateFormats: false,
  keywords: ['example', 'components'],
};

/** The schemas of an OpenAPI 3.1 document, each as JSON Schema 2020-12, by where it stands (`/components/schemas/Problem`). */
export class DocumentSchemas {
  readonly #ajv = new Ajv2020(OPTIONS);
  readonly #schemas: Map<string, object>;
  readonly #components: object;

  constructor(document: { components: object }) {
    this.#schemas = new Map(schemasIn(document));
    this.#components = document.components;
  }

  get places(): string[] {
    return [...this.#schemas.keys()];
  }

  /** Throws when it is no JSON Schema, or refers to none. */
  compile(place: string): ValidateFunction {
    const schema = this.#schemas.get(place);
    if (!schema) throw new Error(`There is no schema at ${place}`);
    if (!this.#ajv.validateSchema(schema)) throw new Error(`${place}: ${this.#ajv.errorsText()}`);
    return this.#ajv.compile({ ...schema, components: this.#components });
  }
}

/** Under `schema`, whatever that describes, and in the list of components. */
function* schemasIn(value: object, place = ''): Generator<[string, object]> {
  for (const [key, inner] of Object.entries(value) as [string, unknown][]) {
    if (typeof inner !== 'object' || inner === null) continue;
    const at = `${place}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (key === 'schema' || place === '/components/schemas') yield [at, inner];
    else yield* schemasIn(inner, at);
  }
}
