package command

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rollproof/loadtest/compare"
	"rollproof/loadtest/replay"
	"rollproof/loadtest/report/html"
)

// comparisonFormats are the forms of a comparison.
func comparisonFormats() []string { return []string{"terminal", "html", "json"} }

func compareCommand(stdout io.Writer) *cobra.Command {
	var name, out string
	var anyway bool
	cmd := &cobra.Command{
		Use:   "compare A B [flags]",
		Short: "Set two kept runs side by side",
		Long: "compare counts and judges the runs in the folders A and B anew from their raw results, and shows their\n" +
			"verdicts, losses, latency by lane and phase, and their rollouts' facts beside each other, each with its\n" +
			"difference. Runs whose loads differ are refused, unless --anyway is given.",
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(comparisonFormats(), name) {
				return fmt.Errorf("--format: no form %q: there are %s", name, strings.Join(comparisonFormats(), ", "))
			}
			runs := make([]compare.Run, 0, 2)
			for _, dir := range args {
				again, err := replay.Read(dir)
				if err != nil {
					return err
				}
				runs = append(runs, compare.Run{Name: dir, Report: again.Report, Series: again.Series})
			}
			c, err := compare.Two(runs[0], runs[1], anyway)
			if err != nil {
				return err
			}
			write := func(w io.Writer) error {
				switch name {
				case "html":
					return html.WriteComparison(w, c)
				case "json":
					return c.JSON(w)
				}
				return c.Terminal(w)
			}
			if out != "" {
				return writeFile(out, write)
			}
			return write(stdout)
		},
	}
	cmd.Flags().StringVar(&name, "format", "terminal", "form of the comparison: "+strings.Join(comparisonFormats(), ", "))
	cmd.Flags().StringVar(&out, "out", "", "the file for it, instead of standard output")
	cmd.Flags().BoolVar(&anyway, "anyway", false, "compare also runs whose loads differ; what differs is shown")
	return cmd
}
