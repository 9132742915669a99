// NodeMetrics and PodMetrics: what machines and the containers of pods use. They are measured when somebody
// asks (`../usage.ts`), never stored, and so they can only be read.
// Source: metrics.k8s.io/v1beta1; columns and definitions as metrics-server serves them.

import { formatQuantity, parseQuantity } from '../quantity.ts';
import type { Column, ObjectSchema, Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { nameColumn } from './columns.ts';
import { kind } from './kind.ts';

/** Quantities, e.g. `156340n` and `11Mi`. */
interface Amounts { readonly cpu: string; readonly memory: string }

export interface NodeMetrics extends KubeObject {
  readonly timestamp: string;
  readonly window: string;
  readonly usage: Amounts;
}

export interface PodMetrics extends KubeObject {
  readonly timestamp: string;
  readonly window: string;
  readonly containers: readonly { readonly name: string; readonly usage: Amounts }[];
}

const group = 'metrics.k8s.io', version = 'v1beta1';
const prefix = `io.k8s.metrics.pkg.apis.metrics.${version}`;

const text = { type: 'string' } as const;
const amounts = { type: 'map', of: { type: 'quantity' } } as const;

const schemaWith = (name: string, own: ObjectSchema['fields']): ObjectSchema => ({
  type: 'object', name,
  fields: {
    apiVersion: text, kind: text, metadata: { type: 'map', of: { type: 'any' } }, timestamp: { type: 'time' },
    window: text, ...own,
  },
});

type Properties = Readonly<Record<string, unknown>>;

const published = (name: string, own: Properties): NonNullable<Resource['published']> => ({
  name: `${prefix}.${name}`,
  definition: (generation) => ({
    type: 'object', required: ['timestamp', 'window', ...Object.keys(own)],
    properties: {
      apiVersion: text, kind: text,
      metadata: {
        $ref: `#/${generation === 2 ? 'definitions' : 'components/schemas'}/`
          + 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta',
      },
      timestamp: { type: 'string', format: 'date-time' }, window: text, ...own,
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind: name }],
  }),
});

const publishedAmounts: Properties = { type: 'object', additionalProperties: text };

const column = (name: string, format: string, value: (object: KubeObject) => string): Column =>
  ({ name, type: 'string', format, description: '', priority: 0, value });

const columnsOf = (amount: (object: KubeObject, name: keyof Amounts) => string): readonly Column[] => [
  nameColumn,
  column('cpu', 'quantity', (object) => amount(object, 'cpu')),
  column('memory', 'quantity', (object) => amount(object, 'memory')),
  column('Window', 'duration', (object) => (object as NodeMetrics).window),
];

const verbs = ['get', 'list'];

export const nodeMetrics: Resource = kind({
  group, version, resource: 'nodes', singular: '', kind: 'NodeMetrics', namespaced: false, verbs,
  schema: schemaWith(`${prefix}.NodeMetrics`, { usage: amounts }),
  published: published('NodeMetrics', { usage: publishedAmounts }),
  columns: columnsOf((object, name) => (object as NodeMetrics).usage[name]),
  measured: true,
});

const containerFields: ObjectSchema = { type: 'object', fields: { name: text, usage: amounts } };

export const podMetrics: Resource = kind({
  group, version, resource: 'pods', singular: '', kind: 'PodMetrics', verbs,
  schema: schemaWith(`${prefix}.PodMetrics`, { containers: { type: 'list', of: containerFields } }),
  published: published('PodMetrics', {
    containers: {
      type: 'array',
      items: {
        type: 'object', required: ['name', 'usage'], properties: { name: text, usage: publishedAmounts },
      },
    },
  }),
  columns: columnsOf((object, name) => {
    const each = (object as PodMetrics).containers.map(({ usage }) => parseQuantity(usage[name])?.nano ?? 0n);
    const nano = each.reduce((sum, one) => sum + one, 0n);
    return formatQuantity({ nano, format: name === 'cpu' ? 'decimal' : 'binary' });
  }),
  measured: true,
});
