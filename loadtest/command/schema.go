package command

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"rollproof/loadtest/objectives"
	"rollproof/loadtest/report"
)

func schemaCommand(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "schema report|objectives",
		Short: "Print the JSON schema of report.json, or of a file of objectives",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			schemas := map[string]func() []byte{"report": report.Schema, "objectives": objectives.Schema}
			schema, ok := schemas[args[0]]
			if !ok {
				return fmt.Errorf("no schema of %q: there are report, objectives", args[0])
			}
			_, err := stdout.Write(schema())
			return err
		},
	}
}
