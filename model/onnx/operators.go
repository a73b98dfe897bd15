package onnx

import (
	"math"
)

// mlOperators are those of ai.onnx.ml
// (https://github.com/onnx/onnx/blob/main/docs/Operators-ml.md).
func mlOperators() map[string]operator {
	return map[string]operator{
		"ArrayFeatureExtractor":  {2, 2, 1, 1, buildArrayFeatureExtractor},
		"Binarizer":              {1, 1, 1, 1, buildBinarizer},
		"CategoryMapper":         {1, 1, 1, 1, buildCategoryMapper},
		"FeatureVectorizer":      {1, maxValues, 1, 1, buildFeatureVectorizer},
		"Imputer":                {1, 1, 1, 1, buildImputer},
		"LabelEncoder":           {1, 1, 1, 1, buildLabelEncoder},
		"LinearClassifier":       {1, 1, 2, 1, buildLinearClassifier},
		"LinearRegressor":        {1, 1, 1, 1, buildLinearRegressor},
		"Normalizer":             {1, 1, 1, 1, buildNormalizer},
		"OneHotEncoder":          {1, 1, 1, 1, buildOneHotEncoder},
		"SVMClassifier":          {1, 1, 2, 1, buildSVMClassifier},
		"SVMRegressor":           {1, 1, 1, 1, buildSVMRegressor},
		"Scaler":                 {1, 1, 1, 1, buildScaler},
		"TreeEnsemble":           {1, 1, 1, 5, buildTreeEnsemble},
		"TreeEnsembleClassifier": {1, 1, 2, 1, buildTreeClassifier},
		"TreeEnsembleRegressor":  {1, 1, 1, 1, buildTreeRegressor},
		"ZipMap":                 {1, 1, 1, 1, buildZipMap},
	}
}

// coreOperators are those of ai.onnx
// (https://github.com/onnx/onnx/blob/main/docs/Operators.md).
func coreOperators() map[string]operator {
	all := map[string]operator{
		"ArgMax":          {1, 1, 1, 1, buildArg(1)},
		"ArgMin":          {1, 1, 1, 1, buildArg(-1)},
		"Cast":            {1, 1, 1, 6, buildCast},
		"Clip":            {1, 3, 1, 6, buildClip},
		"Concat":          {1, maxValues, 1, 4, buildConcat},
		"Constant":        {0, 0, 1, 1, buildConstant},
		"ConstantOfShape": {1, 1, 1, 9, buildConstantOfShape},
		"Div":             {2, 2, 1, 7, divide},
		"Dropout":         {1, 3, 1, 7, buildIdentity},
		"Expand":          {2, 2, 1, 8, buildExpand},
		"Flatten":         {1, 1, 1, 1, buildFlatten},
		"Gather":          {2, 2, 1, 1, buildGather},
		"GatherElements":  {2, 2, 1, 11, buildGatherElements},
		"Gemm":            {2, 3, 1, 7, buildGemm},
		"Identity":        {1, 1, 1, 1, buildIdentity},
		"IsInf":           {1, 1, 1, 10, buildIsInf},
		"IsNaN":           {1, 1, 1, 9, test(func(x float64) bool { return x != x })},
		"LogSoftmax":      {1, 1, 1, 1, buildSoftmax(true)},
		"MatMul":          {2, 2, 1, 1, buildMatMul},
		"Mod":             {2, 2, 1, 10, modulo},
		"Not":             {1, 1, 1, 1, buildNot},
		"Pow":             {2, 2, 1, 7, power},
		"Range":           {3, 3, 1, 11, buildRange},
		"Reshape":         {1, 2, 1, 1, buildReshape},
		"Shape":           {1, 1, 1, 1, buildShape},
		"Size":            {1, 1, 1, 1, buildSize},
		"Slice":           {1, 5, 1, 1, buildSlice},
		"Softmax":         {1, 1, 1, 1, buildSoftmax(false)},
		"Split":           {1, 2, maxValues, 2, buildSplit},
		"Squeeze":         {1, 2, 1, 1, buildSqueeze},
		"Tile":            {2, 2, 1, 6, buildTile},
		"TopK":            {1, 2, 2, 1, buildTopK},
		"Transpose":       {1, 1, 1, 1, buildTranspose},
		"Unsqueeze":       {1, 2, 1, 1, buildUnsqueeze},
		"Where":           {3, 3, 1, 9, buildWhere},
	}
	for name, r := range reductions() {
		all[name] = operator{1, 2, 1, 1, r.build}
	}
	for name, f := range functions() {
		all[name] = operator{1, 1, 1, 6, f.build}
	}
	for name, k := range comparisons() {
		all[name] = operator{2, 2, 1, 7, k.build}
	}
	for name, a := range arithmetics() {
		all[name] = operator{2, 2, 1, 7, a.build}
	}
	for name, a := range variadics() {
		all[name] = operator{1, maxValues, 1, 6, a.variadic}
	}
	return all
}

// functions are the operators on single numbers.
func functions() map[string]function {
	same := func(x int64) int64 { return x }
	return map[string]function{
		"Abs":        {math.Abs, func(x int64) int64 { return max(x, -x) }},
		"Ceil":       {math.Ceil, nil},
		"Cos":        {math.Cos, nil},
		"Erf":        {math.Erf, same},
		"Exp":        {math.Exp, nil},
		"Floor":      {math.Floor, nil},
		"Log":        {math.Log, nil},
		"Neg":        {func(x float64) float64 { return -x }, func(x int64) int64 { return -x }},
		"Reciprocal": {func(x float64) float64 { return 1 / x }, nil},
		"Relu":       {func(x float64) float64 { return clip(x, 0, math.Inf(1)) }, func(x int64) int64 { return max(x, 0) }},
		"Round":      {math.RoundToEven, nil},
		"Sigmoid":    {sigmoid, nil},
		"Sign":       {sign, func(x int64) int64 { return truth(x > 0) - truth(x < 0) }},
		"Sin":        {math.Sin, nil},
		"Softplus":   {softplus, nil},
		"Sqrt":       {math.Sqrt, nil},
		"Tanh":       {math.Tanh, nil},
	}
}

// arithmetics are the operators on two numbers, but those with attributes or checks.
func arithmetics() map[string]arithmetic {
	return map[string]arithmetic{
		"Add": {
			func(x, y float32) float32 { return x + y },
			func(x, y float64) float64 { return x + y },
			func(x, y int64) int64 { return x + y },
		},
		"Sub": {
			func(x, y float32) float32 { return x - y },
			func(x, y float64) float64 { return x - y },
			func(x, y int64) int64 { return x - y },
		},
		"Mul": {
			func(x, y float32) float32 { return x * y },
			func(x, y float64) float64 { return x * y },
			func(x, y int64) int64 { return x * y },
		},
	}
}

// variadics are the operators on any number of numbers.
func variadics() map[string]arithmetic {
	return map[string]arithmetic{
		"Max": {
			func(x, y float32) float32 { return max(x, y) }, // NaN if one is
			func(x, y float64) float64 { return max(x, y) },
			func(x, y int64) int64 { return max(x, y) },
		},
		"Min": {
			func(x, y float32) float32 { return min(x, y) },
			func(x, y float64) float64 { return min(x, y) },
			func(x, y int64) int64 { return min(x, y) },
		},
		"Sum": arithmetics()["Add"],
	}
}

// comparisons are the operators that give BOOL.
func comparisons() map[string]comparison {
	logic := func(f func(x, y int64) int64) comparison {
		return comparison{i64: f, bools: true, onlyBools: true}
	}
	return map[string]comparison{
		"Equal": {
			f32: func(x, y float32) int64 { return truth(x == y) }, f64: func(x, y float64) int64 { return truth(x == y) },
			i64: func(x, y int64) int64 { return truth(x == y) }, texts: func(x, y string) int64 { return truth(x == y) },
			bools: true,
		},
		"Less": {
			f32: func(x, y float32) int64 { return truth(x < y) }, f64: func(x, y float64) int64 { return truth(x < y) },
			i64: func(x, y int64) int64 { return truth(x < y) },
		},
		"LessOrEqual": {
			f32: func(x, y float32) int64 { return truth(x <= y) }, f64: func(x, y float64) int64 { return truth(x <= y) },
			i64: func(x, y int64) int64 { return truth(x <= y) },
		},
		"Greater": {
			f32: func(x, y float32) int64 { return truth(x > y) }, f64: func(x, y float64) int64 { return truth(x > y) },
			i64: func(x, y int64) int64 { return truth(x > y) },
		},
		"GreaterOrEqual": {
			f32: func(x, y float32) int64 { return truth(x >= y) }, f64: func(x, y float64) int64 { return truth(x >= y) },
			i64: func(x, y int64) int64 { return truth(x >= y) },
		},
		"And": logic(func(x, y int64) int64 { return x & y }),
		"Or":  logic(func(x, y int64) int64 { return x | y }),
		"Xor": logic(func(x, y int64) int64 { return x ^ y }),
	}
}
