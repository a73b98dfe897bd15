package command

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"rollproof/bench/plot"
	"rollproof/bench/result"
	"rollproof/bench/suite"
	"rollproof/bench/table"
)

// The files of a run.
const (
	resultsFile = "results.json"
	tableFile   = "table.md"
	plotFile    = "plot.svg"
)

// paths are the flags of what is run.
type paths struct {
	suite.Config
	out string
}

// flags adds the flags of what is run.
func (p *paths) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&p.Server, "server", "bin/server", "the server's binary")
	flags.StringVar(&p.out, "out", "", "folder for what is found (default out/bench-TIME)")
	flags.IntVar(&p.ServerCore, "server-core", 0, "core for what is measured")
	flags.IntVar(&p.ClientCore, "client-core", 1, "core for what measures it")
	flags.BoolVar(&p.Quick, "quick", false, "fewer and shorter measurements")
}

// config is the configuration with whole paths.
func (p *paths) config(progress io.Writer) (c suite.Config, err error) {
	if p.ServerCore == p.ClientCore {
		return c, fmt.Errorf("--server-core %d and --client-core %d: want two cores", p.ServerCore, p.ClientCore)
	}
	if p.out == "" {
		p.out = filepath.Join("out", "bench-"+time.Now().Format("20060102-150405"))
	}
	c = p.Config
	for _, path := range []struct {
		into *string
		name string
	}{{&c.Root, "."}, {&c.Out, p.out}, {&c.Server, p.Server}, {&c.Plain, p.Plain}, {&c.Leaves, p.Leaves}} {
		if path.name == "" {
			continue
		}
		if *path.into, err = filepath.Abs(path.name); err != nil {
			return c, err
		}
	}
	c.Progress = progress
	c.Self, err = os.Executable()
	return c, err
}

func runCommand() *cobra.Command {
	p := &paths{}
	var strict bool
	cmd := &cobra.Command{
		Use: "run [flags]", Short: "Measure everything and write a table, a plot and the results",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.config(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			document, err := suite.Run(cmd.Context(), c)
			if err != nil {
				return err
			}
			if err := document.Write(filepath.Join(c.Out, resultsFile)); err != nil {
				return err
			}
			return show(cmd, document, c.Out, strict)
		},
	}
	p.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&p.Plain, "plain", "", "the server without profile-guided optimization; empty: not compared")
	flags.StringVar(&p.Leaves, "leaves", "bin/leaves.test", "the compiled test of model/tree/bench/leaves")
	flags.BoolVar(&strict, "strict", false, "exit with 1 if a goal is not reached")
	return cmd
}

func profileCommand() *cobra.Command {
	p := &paths{}
	var into string
	cmd := &cobra.Command{
		Use: "profile --server FILE [flags]", Short: "Write the CPU profile of a server that was built with -tags profile, under load",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.config(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return suite.Profile(cmd.Context(), c, into)
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&into, "profile", "server/default.pgo", "file to write")
	return cmd
}

// showCommand makes table and plot anew, of results that are there.
func showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show FOLDER", Short: "Write table and plot of a run anew, from its " + resultsFile,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := result.Read(filepath.Join(args[0], resultsFile))
			if err != nil {
				return err
			}
			return show(cmd, document, args[0], false)
		},
	}
}

// show writes table and plot and prints the table.
func show(cmd *cobra.Command, document *result.Document, folder string, strict bool) error {
	text := table.Markdown(document)
	if err := os.WriteFile(filepath.Join(folder, tableFile), []byte(text), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, plotFile), plot.SVG(document), 0o644); err != nil {
		return err
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), text); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.ErrOrStderr(), "written to %s\n", folder)
	if missed := document.Missed(); strict && len(missed) > 0 {
		return errMissed
	}
	return err
}
