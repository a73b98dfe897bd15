package inference

import "strings"

// Platform is what the protocol's metadata calls an artifact's format. Of the names
// that the specification lists one is for what this server reads
// (https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md#platforms);
// the other formats have theirs in the same form, PROJECT_FORMAT.
func Platform(format string) string {
	if strings.HasPrefix(format, "onnx_") {
		return "onnx_onnxv1"
	}
	return format
}
