// The columns that `kubectl get` shows of a custom kind: the name, and what the definition names by JSONPath.
// Source: apiextensions-apiserver pkg/registry/customresource/tableconvertor.

import type { Json } from '../body.ts';
import type { Column } from '../resource.ts';
import { ageColumn, nameColumn } from '../resources/columns.ts';
import { humanDuration, parseTime } from '../time.ts';
import type { CustomVersion, PrinterColumn } from './definition.ts';
import { parsePath, resultsOf } from './jsonpath.ts';
import { goNumber } from './values.ts';

export function columnsOf({ additionalPrinterColumns: columns = [] }: CustomVersion): readonly Column[] {
  if (columns.length === 0) return [nameColumn, { ...ageColumn, type: 'date' }];
  return [nameColumn, ...columns.map(columnOf)];
}

function columnOf(column: PrinterColumn): Column {
  const { name = '', format = '', jsonPath = '', priority = 0 } = column;
  const type = typeOf(column.type), path = parsePath(jsonPath);
  return {
    name, type, format, priority,
    description: column.description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    value: (object, nowWallMs) => {
      const [found] = path === null ? [] : resultsOf(path, object as unknown as Json);
      return found === undefined ? null : cell(type, found, nowWallMs);
    },
  };
}

function typeOf(type: string | undefined): Column['type'] {
  switch (type) {
    case 'integer': case 'number': case 'boolean': case 'date': return type;
    default: return 'string';
  }
}

/** Null where the value is not of the column's type. */
function cell(type: Column['type'], value: Json, nowWallMs: number): string | number | boolean | null {
  switch (type) {
    case 'string': return textOf(value);
    case 'integer': return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number': return typeof value === 'number' ? value : null;
    case 'boolean': return typeof value === 'boolean' ? value : null;
    case 'date': {
      if (typeof value !== 'string') return null;
      const ms = parseTime(value);
      return ms === null ? '<invalid>' : humanDuration(nowWallMs - ms);
    }
  }
}

function textOf(value: Json): string {
  switch (typeof value) {
    case 'string': return value;
    case 'number': return goNumber(value);
    case 'boolean': return String(value);
    default: return value === null ? '<nil>' : JSON.stringify(value);
  }
}
