package command

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rollproof/loadtest/replay"
)

func reportCommand(stdout, stderr io.Writer) *cobra.Command {
	var name, out string
	cmd := &cobra.Command{
		Use:   "report DIR [flags]",
		Short: "Make a kept run's reports again from its raw results",
		Long: "report counts, judges and explains a run anew from what it kept in its folder (the raw results and losses,\n" +
			"timeline.json, and the settings and moments in report.json), and writes " + strings.Join(fileFormats(), ", ") + " there again.\n" +
			"With --format one of them goes to standard output, or to the file --out.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if out != "" && name == "" {
				return fmt.Errorf("--out %s: it wants a --format", out)
			}
			var f format
			if name != "" {
				var err error
				if f, err = formatOf(name, formatNames()); err != nil {
					return fmt.Errorf("--format: %w", err)
				}
			}
			again, err := replay.Read(args[0])
			if err != nil {
				return err
			}
			if was, is := again.Kept.Verdict.Outcome, again.Report.Verdict.Outcome; was != is {
				if _, err := fmt.Fprintf(stderr, "loadtest: judged anew the run is %s; %s says %s: the rules of judgement have changed since, or a file has\n", is, filepath.Join(args[0], "report.json"), was); err != nil {
					return err
				}
			}
			s := subject{report: again.Report, series: again.Series}
			switch {
			case name == "":
				if err := writeFiles(args[0], fileFormats(), s); err != nil {
					return err
				}
				for _, n := range fileFormats() {
					f, err := formatOf(n, fileFormats())
					if err != nil {
						return err
					}
					if _, err := fmt.Fprintln(stdout, filepath.Join(args[0], f.file)); err != nil {
						return err
					}
				}
				return nil
			case out != "":
				return writeFile(out, func(w io.Writer) error { return f.write(w, s) })
			}
			return f.write(stdout, s)
		},
	}
	cmd.Flags().StringVar(&name, "format", "", "one form, to standard output: "+strings.Join(formatNames(), ", "))
	cmd.Flags().StringVar(&out, "out", "", "the file for that form, instead of standard output")
	return cmd
}
