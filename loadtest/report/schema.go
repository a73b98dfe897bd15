package report

import _ "embed" // the schema

//go:embed report.schema.json
var schema []byte

// Schema returns the JSON schema of report.json.
func Schema() []byte { return append([]byte{}, schema...) }
