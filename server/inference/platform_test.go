package inference

import "testing"

func TestPlatform(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"onnx_v1": "onnx_onnxv1", "xgboost_ubj": "xgboost_ubj", "xgboost_json": "xgboost_json", "lightgbm_v4": "lightgbm_v4",
	} {
		if got := Platform(format); got != want {
			t.Errorf("%s is %s, want %s", format, got, want)
		}
	}
}
