// Package command is the command line: flags in, a run, its report, an exit
// code out.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/observe"
	"rollproof/loadtest/replay"
	"rollproof/loadtest/report"
	"rollproof/loadtest/run"
	"rollproof/loadtest/tally"
	"rollproof/loadtest/verdict"
)

// The exit codes.
const (
	exitPass         = 0
	exitFail         = 1
	exitInconclusive = 2
	exitCouldNotRun  = 3
)

// flags are the flags that load and upgrade share, and their own.
type flags struct {
	cfg        run.Config
	source     source
	reach      reach
	objectives string
	cluster    observe.Target
	reports    []string // forms to write beside report.json
}

// Run carries out the command line args (without the program's name) and
// returns the exit code. ctx ends a run early and in order; hard ends the
// upgrade's command at once.
func Run(ctx, hard context.Context, args []string, stdout, stderr io.Writer) int {
	code := exitPass
	root := &cobra.Command{
		Use:   "loadtest",
		Short: "Prove, request by request, that a service loses nothing",
		Long: "loadtest sends real requests on several kinds of connection, checks every answer, watches the cluster,\n" +
			"and judges: exit code 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 could not run.",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(loadCommand(ctx, &code, stdout, stderr), upgradeCommand(ctx, hard, &code, stdout, stderr),
		explainCommand(stdout), reportCommand(stdout, stderr),
		compareCommand(stdout), schemaCommand(stdout), rbacCommand(stdout))
	root.CompletionOptions.DisableDefaultCmd = true
	if err := root.ExecuteContext(ctx); err != nil {
		// Nothing is left to tell if standard error does not take it.
		_, _ = fmt.Fprintf(stderr, "loadtest: %v\n", err)
		return exitCouldNotRun
	}
	return code
}

func loadCommand(ctx context.Context, code *int, stdout, stderr io.Writer) *cobra.Command {
	f := &flags{cfg: run.DefaultLoad()}
	cmd := &cobra.Command{
		Use:   "load --url URL --cases FILE [flags]",
		Short: "Send a steady load and judge it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.carryOut(cmd, "load", code, stdout, stderr, func(console run.Console) (*run.Result, error) {
				return run.Load(ctx, f.cfg, console)
			})
		},
	}
	f.common(cmd)
	duration(cmd, &f.cfg.Duration, "duration", "how long to send")
	return cmd
}

func upgradeCommand(ctx, hard context.Context, code *int, stdout, stderr io.Writer) *cobra.Command {
	f := &flags{cfg: run.DefaultUpgrade()}
	cmd := &cobra.Command{
		Use:   "upgrade --url URL --cases FILE --deployment NAME --from-version V --to-version W [flags] -- COMMAND...",
		Short: "Run an upgrade under load and judge it",
		Long:  "upgrade sends a load, runs COMMAND under it, and watches the Deployment until the last old pod is gone,\nthe autoscaler has raised the replicas and they are back at its minimum.",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); dash < 0 && len(args) > 0 || dash > 0 {
				return fmt.Errorf("%q: the command comes after --", args[0])
			}
			f.cfg.Command = args
			return f.carryOut(cmd, "upgrade", code, stdout, stderr, func(console run.Console) (*run.Result, error) {
				return run.Upgrade(ctx, hard, f.cfg, console)
			})
		},
	}
	f.common(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.cfg.FromVersion, "from-version", "", "model version that answers before the upgrade")
	fl.StringVar(&f.cfg.ToVersion, "to-version", "", "model version that answers after it")
	fl.Float64Var(&f.cfg.StepRate, "step-rate", f.cfg.StepRate, "requests a second of a step lane, 0 for none")
	fl.IntVar(&f.cfg.StepLanes, "step-lanes", f.cfg.StepLanes, "most step lanes at once")
	duration(cmd, &f.cfg.StepRaise, "step-raise", "how long a step lane is given to make the autoscaler act before another joins")
	fl.IntVar(&f.cfg.StepRows, "step-rows", f.cfg.StepRows, "rows in a request of the step lane")
	duration(cmd, &f.cfg.Steady, "steady", "how long the old version is proven before the command")
	duration(cmd, &f.cfg.StepTimeout, "step-timeout", "longest time for the step lane after the rollout is complete, from its start")
	duration(cmd, &f.cfg.ChangeTimeout, "change-timeout", "longest wait for a new pod template after the command's end")
	duration(cmd, &f.cfg.RolloutTimeout, "rollout-timeout", "longest wait for the rollout after that")
	duration(cmd, &f.cfg.SettleTimeout, "settle-timeout", "longest wait for the replicas to come back to the minimum")
	duration(cmd, &f.cfg.Tail, "tail", "how long the load goes on when all has happened")
	duration(cmd, &f.cfg.CommandGrace, "command-grace", "time between SIGINT and SIGKILL for the command after Ctrl-C")
	return cmd
}

// common adds the flags that both commands have.
func (f *flags) common(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.cfg.URL, "url", "", "address of the service, http://HOST:PORT or https://HOST:PORT")
	f.source.flags(cmd)
	f.reach.flags(cmd)
	fl.StringVar(&f.objectives, "objectives", "", "YAML file of what must hold (default: nothing lost or masked, no stall of 1s)")
	fl.StringVar(&f.cfg.Out, "out", "", "folder for the report and the raw results (default out/COMMAND-TIME)")
	fl.StringSliceVar(&f.reports, "report", fileFormats(), "forms of the report to write beside report.json, separated by commas; empty for none")
	fl.StringVar(&f.cluster.Kubeconfig, "kubeconfig", "", "kubeconfig file (default $KUBECONFIG, then ~/.kube/config)")
	fl.StringVar(&f.cluster.Context, "context", "", "kubeconfig's context (default its current one)")
	fl.StringVar(&f.cluster.Namespace, "namespace", "", "namespace of the Deployment (default the context's)")
	fl.StringVar(&f.cluster.Deployment, "deployment", "", "Deployment to watch; without it and --statefulset no cluster is watched")
	fl.StringVar(&f.cluster.StatefulSet, "statefulset", "", "StatefulSet to watch instead")
	fl.Float64Var(&f.cfg.NewRate, "new-rate", f.cfg.NewRate, "requests a second, each on a new connection")
	fl.Float64Var(&f.cfg.ReusedRate, "reused-rate", f.cfg.ReusedRate, "requests a second on kept connections")
	fl.Float64Var(&f.cfg.SlowNewRate, "slow-new-rate", f.cfg.SlowNewRate, "slow requests a second, each on a new connection, 0 for none")
	fl.Float64Var(&f.cfg.SlowReusedRate, "slow-reused-rate", f.cfg.SlowReusedRate, "slow requests a second on kept connections, 0 for none")
	fl.IntVar(&f.cfg.SlowRows, "slow-rows", f.cfg.SlowRows, "rows in a slow request, which make the server take its time")
	fl.IntVar(&f.cfg.HotConnections, "hot-connections", f.cfg.HotConnections, "connections that are used again as soon as they are answered, 0 for none")
	duration(cmd, &f.cfg.HotHold, "hot-hold", "how long each hot request is kept under way, on half of the connections in its header, on the others before its last byte")
	duration(cmd, &f.cfg.Timeout, "timeout", "time allowed for a request")
	fl.IntVar(&f.cfg.MaxWorkers, "max-workers", f.cfg.MaxWorkers, "most requests under way at once on an open-loop lane")
	duration(cmd, &f.cfg.PreflightTimeout, "preflight-timeout", "longest wait until the service is ready for a load")
}

// duration adds a flag for a duration with its present value as the default.
func duration(cmd *cobra.Command, value *objectives.Duration, name, usage string) {
	cmd.Flags().DurationVar((*time.Duration)(value), name, value.D(), usage)
}

// prepare reads the files that the flags name.
func (f *flags) prepare(cmd *cobra.Command, name string) error {
	for _, name := range f.reports {
		if _, err := formatOf(name, fileFormats()); err != nil {
			return fmt.Errorf("--report: %w", err)
		}
	}
	err := f.reach.apply(&f.cfg)
	if err == nil {
		err = f.source.apply(&f.cfg, cmd)
	}
	if err != nil {
		return err
	}
	f.cfg.Objectives = objectives.Default()
	if f.objectives != "" {
		if f.cfg.Objectives, err = objectives.Load(f.objectives, objectives.Names{Lanes: run.LaneNames(), Phases: tally.StageNames()}); err != nil {
			return err
		}
	}
	if f.cluster.Deployment != "" && f.cluster.StatefulSet != "" {
		return fmt.Errorf("--deployment %q and --statefulset %q: want one of them", f.cluster.Deployment, f.cluster.StatefulSet)
	}
	if f.cluster.Deployment != "" || f.cluster.StatefulSet != "" {
		f.cfg.Cluster = &f.cluster
		if f.cfg.Client, f.cfg.Namespace, err = f.cluster.Client(); err != nil {
			return err
		}
	}
	if f.cfg.Out == "" {
		f.cfg.Out = filepath.Join("out", name+"-"+time.Now().Format("20060102-150405"))
	}
	if _, err := os.Stat(filepath.Join(f.cfg.Out, report.File)); err == nil {
		return fmt.Errorf("--out %s: it holds the report of another run", f.cfg.Out)
	}
	return nil
}

// carryOut does a run and reports it. What kept a run from starting is an
// error; the verdict of one that started is an exit code.
func (f *flags) carryOut(cmd *cobra.Command, name string, code *int, stdout, stderr io.Writer, do func(run.Console) (*run.Result, error)) error {
	if err := f.prepare(cmd, name); err != nil {
		return err
	}
	console := report.NewConsole(stderr, terminalOf(stderr), f.cfg, time.Now)
	result, err := do(console)
	console.End()
	if err != nil {
		return err
	}
	v := verdict.Judge(result.Input)
	r := report.New(f.cfg, result, v)
	if err := r.Explain(run.Losses(f.cfg.Out)); err != nil {
		// The verdict stands without them.
		_, _ = fmt.Fprintf(stderr, "loadtest: %v\n", err)
	}
	// The terminal's report comes also when the folder does not take its own.
	writeErr := r.Write(f.cfg.Out)
	told := subject{report: r}
	if told.series, err = replay.Latency(f.cfg.Out, r); err != nil {
		// The counts stand: they do not come from the files.
		told.missing = err.Error()
		_, _ = fmt.Fprintf(stderr, "loadtest: latency over time: %v\n", err)
	}
	writeErr = errors.Join(writeErr, writeFiles(f.cfg.Out, f.reports, told))
	if err := appendSummary(os.Getenv(stepSummary), told); err != nil {
		_, _ = fmt.Fprintf(stderr, "loadtest: %v\n", err) // the run's own files are what counts
	}
	if err := r.Summary(stderr); err != nil {
		writeErr = errors.Join(writeErr, err)
	}
	if writeErr != nil {
		return writeErr
	}
	if _, err := fmt.Fprintln(stdout, r.Line()); err != nil {
		return err
	}
	*code = map[verdict.Outcome]int{verdict.Pass: exitPass, verdict.Fail: exitFail, verdict.Inconclusive: exitInconclusive}[v.Outcome]
	return nil
}

// terminalOf says what w can do. NO_COLOR (https://no-color.org) and a terminal
// that says it is dumb are respected.
func terminalOf(w io.Writer) report.Terminal {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return report.Terminal{}
	}
	return report.Terminal{
		Color: os.Getenv("NO_COLOR") == "",
		Width: func() int {
			width, _, err := term.GetSize(int(file.Fd()))
			if err != nil || width <= 0 {
				return 80
			}
			return width
		},
	}
}
