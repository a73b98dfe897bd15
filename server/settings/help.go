package settings

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

const helpHead = `server serves trained models by the Open Inference Protocol (v2, REST) and drains
without losing a request when it is told to end.

Usage: server [flags]

Each flag has an environment variable; a flag wins. An unknown variable that begins
with ROLLPROOF_ is an error.

`

const helpTail = `
Routes on --listen:
  GET  /v2                                     the server
  GET  /v2/health/live                         200 while the process serves
  GET  /v2/health/ready                        200, and 503 from SIGTERM on
  GET  /v2/models/MODEL[/versions/V]           inputs, outputs, versions
  GET  /v2/models/MODEL[/versions/V]/ready     200 if it is loaded
  POST /v2/models/MODEL[/versions/V]/infer     predictions
Without /versions/V the highest version answers. On --metrics-listen: GET /metrics.

On SIGTERM or SIGINT: not ready; serve on for --drain-delay, every answer with
Connection: close; stop listening; wait for requests in flight, at most
--shutdown-timeout; exit 0. A second signal ends at once. The grace that the platform
gives must be longer than --drain-delay and --shutdown-timeout together.

Exit codes: 0 drained, 1 could not start or requests were cut, 2 wrong settings.
`

// help writes the help text with every flag, its variable and its default.
func help(out io.Writer) error {
	var b strings.Builder
	b.WriteString(helpHead)
	variables := map[string]string{}
	for _, e := range environment {
		variables[e.flag] = e.variable
	}
	(&Settings{}).flags("the host's name").VisitAll(func(f *flag.Flag) {
		kind, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(&b, "  --%s %s\n", f.Name, kind)
		fmt.Fprintf(&b, "        %s", usage)
		if v := variables[f.Name]; v != "" {
			fmt.Fprintf(&b, " (%s; default %s)", v, f.DefValue)
		}
		b.WriteString("\n")
	})
	b.WriteString(helpTail)
	_, err := io.WriteString(out, b.String())
	return err
}
