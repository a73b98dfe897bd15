package report_test

import (
	"os"
	"path/filepath"
	"testing"

	"rollproof/loadtest/fake/kept"
	"rollproof/loadtest/report"
	"rollproof/loadtest/schematest"
)

// The published schema has the very fields of report.json.
func TestTheSchemaIsTheType(t *testing.T) {
	t.Parallel()
	schematest.Same(t, report.Schema(), report.Report{}, "json", false)
}

// Reports of all kinds fit the schema.
func TestReportsFitTheSchema(t *testing.T) {
	t.Parallel()
	schema := schematest.Compile(t, report.Schema())
	for name, story := range map[string]kept.Story{
		"pass": {}, "fail": {Lossy: true}, "load": {Load: true}, "inconclusive": {Short: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if _, err := kept.Write(dir, story); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(dir, report.File))
			if err != nil {
				t.Fatal(err)
			}
			schematest.Validate(t, schema, text)
		})
	}
	for _, name := range []string{"pass.json", "fail.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		schematest.Validate(t, schema, text)
	}
}
