// Package command is the command line: flags in, measurements, a folder of results, an
// exit code out.
package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"rollproof/bench/load"
	"rollproof/bench/machine"
	"rollproof/bench/peer"
	"rollproof/bench/probe"
)

// The exit codes.
const (
	exitDone        = 0
	exitMissed      = 1
	exitCouldNotRun = 2
)

// errMissed says that goals are not reached, which has been told already.
var errMissed = errors.New("goals are not reached")

// Run carries out the command line args (without the program's name) and returns the
// exit code: 0 measured, 1 measured and goals are missed (with --strict), 2 could not run.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use: "bench", Short: "Measure the prediction server beside what people use instead",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(runCommand(), profileCommand(), coresCommand(), showCommand(), serveCommand(), attackCommand(), probeCommand()) //nolint:contextcheck // cobra hands each its context
	err := root.ExecuteContext(ctx)
	switch {
	case errors.Is(err, errMissed):
		return exitMissed
	case err != nil && ctx.Err() != nil:
		// The rest of the error is what the end of the context did to it.
		_, _ = fmt.Fprintln(stderr, "bench: interrupted: what it started has been ended, and nothing is reported")
		return exitCouldNotRun
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "bench: %v\n", err) // the exit code says it too
		return exitCouldNotRun
	}
	return exitDone
}

func coresCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cores", Short: "Print one core for the server and one for the client, or say why there are none",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, client, err := machine.Cores()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), server, client)
			return err
		},
	}
}

func serveCommand() *cobra.Command {
	var listen, metrics string
	cmd := &cobra.Command{
		Use: "serve decode|discard|bare", Short: "Serve a Go handler that answers a constant, to be measured against",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return peer.Serve(cmd.Context(), args[0], listen, metrics)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "address to serve on")
	cmd.Flags().StringVar(&metrics, "metrics-listen", "127.0.0.1:0", "address for its metrics")
	return cmd
}

func attackCommand() *cobra.Command {
	var open load.Open
	var bodies string
	cmd := &cobra.Command{
		Use: "attack --url URL --bodies FILE --rate N", Short: "Send requests in an open loop and print latencies (ns) as JSON",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := os.ReadFile(bodies)
			if err != nil {
				return err
			}
			open.Bodies = bytes.Split(bytes.TrimRight(text, "\n"), []byte{'\n'})
			found, err := open.Run(cmd.Context())
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(found)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&open.URL, "url", "", "address to send to, http://HOST:PORT/PATH")
	flags.StringVar(&bodies, "bodies", "", "file of bodies, one a line")
	flags.Float64Var(&open.Rate, "rate", 100, "requests a second")
	flags.DurationVar(&open.For, "for", 5*time.Second, "how long to send")
	flags.IntVar(&open.Connections, "connections", 16, "most connections at once")
	return cmd
}

func probeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "probe MODEL ROWS", Short: `Time a model without a server: answer each line "ROWS MILLISECONDS" with the ns of a call`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return probe.Run(cmd.Context(), args[0], args[1], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
