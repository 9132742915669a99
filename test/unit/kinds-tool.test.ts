// What `npm run kinds` reads out of Go: fields, numbers, markers, embedded messages, constants, types that
// contain themselves. The package is made up; the real ones are compared by the tool itself, field by field.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeTables } from '../../tools/kinds/definitions.ts';
import type { Tables } from '../../tools/kinds/definitions.ts';
import { readGoPackage } from '../../tools/kinds/gosource.ts';
import type { TableSource } from '../../tools/kinds/packages.ts';
import { compareWithProto } from '../../tools/kinds/proto.ts';

const types = `package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// +enum
type Colour string

const (
	Red   Colour = "Red"
	Green Colour = Colour(Leaf)
)

const Leaf = "Green"

// +protobuf.nullable=true
type Names []string

// Apple is a kind.
// +genclient
type Apple struct {
	metav1.TypeMeta \`json:",inline"\`
	// What it is made of.
	// +optional
	Spec AppleSpec \`json:"spec,omitempty" protobuf:"bytes,2,opt,name=spec"\`
}

// +structType=atomic
type AppleSpec struct {
	Skin \`json:",inline" protobuf:"bytes,1,opt,name=skin"\`
	// +listType=map
	// +listMapKey=name
	// +patchStrategy=merge
	Seeds []AppleSpec \`json:"seeds" protobuf:"bytes,3,rep" patchStrategy:"merge" patchMergeKey:"name"\`
	Name string \`json:"name" protobuf:"bytes,4,opt,name=name"\` // its name
	Weight *resource.Quantity \`json:"weight,omitempty" protobuf:"bytes,5,opt,name=weight"\`
	// +default=ref(Red)
	Colour Colour \`json:"colour,omitempty" protobuf:"bytes,6,opt,name=colour,casttype=Colour"\`
	Worms map[string]Names \`json:"worms" protobuf:"bytes,7,rep,name=worms"\`
	Eaten *int32 \`json:"eaten,omitempty" protobuf:"varint,9,opt,name=eaten"\`
}

type Skin struct {
	// +mapType=atomic
	Spots map[string]string \`json:"spots,omitempty" protobuf:"bytes,1,rep,name=spots"\`
	Core Core \`json:"core,omitempty" protobuf:"bytes,2,opt,name=core"\`
}

type Core struct {}
`;

const register = `package v1

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion,
		&Apple{},
	)
	return nil
}
`;

const proto = `message Apple {
  optional AppleSpec spec = 2;
}
message AppleSpec {
  optional Skin skin = 1;
  repeated AppleSpec seeds = 3;
  optional string name = 4;
  optional .k8s.io.apimachinery.pkg.api.resource.Quantity weight = 5;
  optional string colour = 6;
  map<string, Names> worms = 7;
  optional int32 eaten = 8;
}
message Skin {
  map<string, string> spots = 1;
  optional Core core = 2;
}
message Core {
}
`;

const source: TableSource = {
  name: 'fruit.v1', path: 'example.com/fruit/v1', group: 'fruit', version: 'v1', client: null,
  prefix: 'com.example.fruit.v1',
};

function withPackage(body: (folder: string, tables: Tables, missing: readonly string[]) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'kinds-'));
  try {
    writeFileSync(join(folder, 'types.go'), types);
    writeFileSync(join(folder, 'register.go'), register);
    writeFileSync(join(folder, 'generated.proto'), proto);
    const missing: string[] = [], packages = new Map([[source.path, readGoPackage(folder, source.path)]]);
    body(folder, makeTables({ sources: [source], packages, missing }), missing);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('every type that a kind reaches becomes rows', () => {
  withPackage((_, tables, missing) => {
    assert.equal(missing, []);
    const rows = [...tables.get('fruit.v1') ?? []].map(([name, { kind, atomic, fields }]) => [
      `${name}${kind ? ' kind' : ''}${atomic ? ' atomic' : ''}`,
      ...fields.map((field) => [field.name, field.type, field.number, ...field.words].join(' ')),
    ]);
    assert.equal(rows, [
      ['Apple kind', 'spec AppleSpec 2'],
      ['AppleSpec atomic', '... Skin 1',
        'seeds [AppleSpec] 3 required always patch=merge merge=name map=name',
        'name string 4 required always', 'weight *quantity 5',
        'colour string 6 default="Red" enum=Green,Red',
        'worms {<string>} 7 required always', 'eaten *int32 9'],
      ['Core'],
      ['Skin', 'spots {string} 1 atomic', 'core Core 2'],
    ]);
  });
});

test('a number that differs from the protobuf definition beside it is told', () => {
  withPackage((folder, tables) => {
    assert.equal(compareWithProto(source, tables.get('fruit.v1') ?? new Map(), folder), [
      'fruit.v1/AppleSpec: protobuf 8 is eaten, not in the Go type',
      'fruit.v1/AppleSpec: protobuf 9 is in the Go type only',
    ]);
  });
});

test.run();
