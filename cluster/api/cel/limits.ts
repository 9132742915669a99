// The bounds of expressions (CEL), part of `limits`: each with its unit and why it is what it is.
// What always holds: an expression costs what its budget says, whatever it is evaluated over.

export const expressionLimits = {
  /** Code points of an expression, as in cel-go. */
  celExpressionSizeMax: 100_000,
  /** How deep an expression may be nested, as in cel-go: whoever walks one recurses. */
  celDepthMax: 250,
  /** Errors that are told of one expression, as in cel-go. */
  celErrorsMax: 100,
  /** Kubernetes' own cost of one evaluation. */
  celCallCostMax: 1_000_000,
  /** … of all expressions that a request makes a policy, or a value makes a schema, evaluate. */
  celRequestCostMax: 10_000_000,
  /** Steps of real work of one evaluation (a value compared, 16 to 64 characters copied): some 100 ms. */
  celStepsMax: 2_000_000,
  /** Characters of a regular expression. */
  celPatternSizeMax: 10_000,
  /** Instructions of a compiled one: a match takes at most so many per character. */
  celPatternProgramMax: 5_000,
  /** Compiled regular expressions that are kept. */
  celPatternsKeptMax: 512,
  /** Compiled expressions that are kept: beyond it all are compiled anew. */
  celProgramsKeptMax: 4_096,
  /** … of all conditions of one policy, as in Kubernetes. */
  celConditionsCostMax: 2_500_000,
  /** UTF-8 bytes of a message that an expression makes, as in Kubernetes. */
  celMessageBytesMax: 5 * 1024,
  /** Parameters that one binding of a policy may select: each is evaluated for every write. */
  policyParamsMax: 100,
  /** Pods of a namespace that are looked at when its level of PodSecurity rises, as in Kubernetes. */
  podSecurityPodsMax: 3_000,
  /** Kinds against which the expressions of a policy are looked at, as in Kubernetes. */
  typesCheckedMax: 10,
  /** Characters of an audit annotation, as in Kubernetes. */
  auditAnnotationLengthMax: 10 * 1024,
} as const;
