package command

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"rollproof/loadtest/explain"
	"rollproof/loadtest/report"
	"rollproof/loadtest/run"
)

func explainCommand(stdout io.Writer) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain DIR [flags]",
		Short: "Explain the losses of a kept run again, and what was measured of its rollout",
		Long: "explain computes the explanations and the facts anew from what a run kept in its folder: report.json,\n" +
			"timeline.json and the losses under raw. It changes nothing there.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := report.Load(args[0])
			if err != nil {
				return err
			}
			if err := r.Explain(run.Losses(args[0])); err != nil {
				return err
			}
			if !asJSON {
				return r.Why(stdout)
			}
			enc := json.NewEncoder(stdout)
			enc.SetIndent("", "  ")
			return enc.Encode(struct {
				Explanations []explain.Explanation `json:"explanations"`
				Facts        []explain.Fact        `json:"facts"`
			}{r.Explanations, r.Facts})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, in the form of report.json")
	return cmd
}
