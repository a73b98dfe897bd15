package objectives

import _ "embed" // the schema

//go:embed schema.json
var schema []byte

// Schema returns the JSON schema of the file of objectives, for editors and for
// checks before a run. What Parse refuses beyond it are names of lanes, and bounds
// of 0 where more is wanted.
func Schema() []byte { return append([]byte{}, schema...) }
