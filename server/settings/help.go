package settings

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

const helpHead = `server serves trained models by the Open Inference Protocol (v2, REST and gRPC) and
drains without losing a request when it is told to end.

Usage: server [flags]
       server inspect FILE             what a model takes, gives and needs
       server predict FILE < rows.csv  a row of probabilities a line

Models are ONNX, XGBoost (JSON, UBJ) and LightGBM (text); the content tells which.

Each flag has an environment variable; a flag wins. An unknown variable that begins
with ROLLPROOF_ is an error. Traces are sent if OpenTelemetry's variables ask for
them: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER and the like.

`

const helpTail = `
Routes on --listen:
  GET  /                                       a page to try a prediction
  GET  /openapi.json                           all routes, described
  GET  /v2                                     the server
  GET  /v2/health/live                         200 while the process serves
  GET  /v2/health/ready                        200, and 503 from SIGTERM on
  POST /v2/repository/index                    every version and its state
  GET  /v2/models/MODEL[/versions/V]           inputs, outputs, versions
  GET  /v2/models/MODEL[/versions/V]/ready     200 if it is loaded
  POST /v2/models/MODEL[/versions/V]/infer     predictions
  GET  /v1/models/MODEL[/versions/V]           the versions' state, in TensorFlow Serving's form
  POST /v1/models/MODEL[/versions/V]:predict   predictions, in TensorFlow Serving's form
Without /versions/V the highest version that is ready answers.
On --grpc-listen: inference.GRPCInferenceService, grpc.health.v1.Health and reflection.
On --metrics-listen: GET /metrics and the two health routes, neither with TLS nor keys.

On SIGTERM or SIGINT: not ready; serve on for --drain-delay, every answer with
Connection: close; stop listening; wait for requests in flight, at most
--shutdown-timeout; exit 0, or cut what is left and exit 1. A second signal ends at
once. The grace that the platform gives must be longer than --drain-delay and
--shutdown-timeout together.

Exit codes: 0 drained, 1 could not start or requests were cut, 2 wrong settings.
`

// help writes the help text with every flag, its variable and its default.
func help(out io.Writer) error {
	var b strings.Builder
	b.WriteString(helpHead)
	(&Settings{}).flags("the host's name").VisitAll(func(f *flag.Flag) {
		kind, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(&b, "  --%s %s\n", f.Name, kind)
		fmt.Fprintf(&b, "        %s", usage)
		if v := variable(f.Name); v != "" {
			fmt.Fprintf(&b, " (%s", v)
			if f.DefValue != "" {
				fmt.Fprintf(&b, "; default %s", f.DefValue)
			}
			b.WriteString(")")
		}
		b.WriteString("\n")
	})
	b.WriteString(helpTail)
	_, err := io.WriteString(out, b.String())
	return err
}
